/* The server's side of NOTIFY_SOCKET. */
#include "notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "basic/paths.h"

#define MESSAGE_MAX 2048

struct NotifySocket {
        char *path;
        int fd;
        sd_event_source *input;
        notify_t handler;
        void *userdata;
};

static pid_t sender_of(struct msghdr *mh) {
        for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
                        struct ucred who;

                        memcpy(&who, CMSG_DATA(c), sizeof(who));
                        return who.pid;
                }
        return 0;
}

static int on_message(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events,
                void *userdata) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(struct ucred))];
        } control;
        NotifySocket *n = userdata;
        char text[MESSAGE_MAX];
        struct iovec iov = { text, sizeof(text) - 1 };
        struct msghdr mh = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t size;
        pid_t sender;

        /* Descriptors that somebody sends along do not fit into the space, and are closed for us.
         */
        size = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size <= 0)
                return 0;
        text[size] = '\0';
        sender = sender_of(&mh);
        if (sender > 0)
                n->handler(sender, text, n->userdata);
        return 0;
}

static int notify_bind(NotifySocket *n) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int yes = 1;

        if (strlen(n->path) > SOCKET_PATH_MAX)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, n->path, strlen(n->path) + 1);
        (void) unlink(n->path);
        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (n->fd < 0 || setsockopt(n->fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) < 0 ||
                        bind(n->fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return 0;
}

int notify_socket_new(sd_event *event, const char *path, notify_t handler, void *userdata,
                NotifySocket **ret) {
        _cleanup_(notify_socket_freep) NotifySocket *n = new0(NotifySocket, 1);
        int r;

        if (!n)
                return -ENOMEM;
        *n = (NotifySocket){ .fd = -EBADF, .handler = handler, .userdata = userdata };
        n->path = strdup(path);
        if (!n->path)
                return -ENOMEM;
        r = notify_bind(n);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &n->input, n->fd, EPOLLIN, on_message, n);
        if (r < 0)
                return r;
        /* Before the end of a process is looked at: why it ended is told here. */
        (void) sd_event_source_set_priority(n->input, SD_EVENT_PRIORITY_IMPORTANT);
        *ret = TAKE_PTR(n);
        return 0;
}

NotifySocket *notify_socket_free(NotifySocket *n) {
        if (!n)
                return NULL;
        sd_event_source_disable_unref(n->input);
        if (n->fd >= 0)
                (void) unlink(n->path);
        closep(&n->fd);
        free(n->path);
        return mfree(n);
}

const char *notify_socket_path(const NotifySocket *n) {
        return n->path;
}
