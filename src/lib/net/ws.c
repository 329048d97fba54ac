/* One websocket connection, whichever side opened it: reassembly, the queue, the end. */
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "basic/crypt.h"
#include "basic/text.h"
#include "net/ws-private.h"

#define WRITES_MAX 64 /* messages per turn and connection */
#define CLOSE_USEC (5 * SEC)
/* In libwebsockets' numbering since 1.0, but only in its private header. */
#define WRITE_CLOSE      ((enum lws_write_protocol) 4)
#define CLOSE_REASON_MAX 123 /* RFC 6455: a control frame holds 125 bytes */

Ws *ws_new(WsLoop *l, const WsLimits *limits) {
        Ws *ws;

        ws = new0(Ws, 1);
        if (!ws)
                return NULL;

        ws->n_ref = 1;
        ws->owned = true;
        ws->loop = l;
        ws->limits = *limits;
        buffer_init(&ws->in, limits->message_max);
        return ws;
}

/* What only the request needed. */
static void ws_forget(Ws *ws) {
        if (ws->authorization)
                memory_wipe(ws->authorization, strlen(ws->authorization));
        ws->authorization = mfree(ws->authorization);
        ws->pin = mfree(ws->pin);
}

static void ws_release(Ws *ws) {
        for (WsMessage *m = ws->first, *next; m; m = next) {
                next = m->next;
                free(m);
        }
        buffer_done(&ws->in);
        ws->deadline = sd_event_source_disable_unref(ws->deadline);
        ws_forget(ws);
        free(ws->document);
        free(ws);
}

Ws *ws_ref(Ws *ws) {
        ws->n_ref++;
        return ws;
}

Ws *ws_unref(Ws *ws) {
        if (ws && --ws->n_ref == 0)
                ws_release(ws);
        return NULL;
}

void ws_ended(Ws *ws, int error, const char *reason) {
        if (ws->error)
                return;

        ws->error = error;
        snprintf(ws->reason, sizeof(ws->reason), "%s", reason);
}

void ws_kill(Ws *ws) {
        if (!ws->wsi)
                return;

        lws_set_timeout(ws->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
        ws_loop_kick(ws->loop, ws->wsi);
}

void ws_want_write(Ws *ws) {
        if (ws->writing || !ws->wsi)
                return;

        ws->writing = true;
        lws_callback_on_writable(ws->wsi);
}

void ws_opened(Ws *ws) {
        /* Else the second of two small messages waits for the peer's acknowledgement: 40 ms. */
        (void) setsockopt(lws_get_socket_fd(ws->wsi), IPPROTO_TCP, TCP_NODELAY, &(int){ 1 },
                        sizeof(int));
        ws_forget(ws);
        ws->state = WS_OPEN;
        ws->heard = true;
        ws->deadline = sd_event_source_disable_unref(ws->deadline);
        if (ws->owned && ws->handler && ws->handler->open)
                ws->handler->open(ws, ws->userdata);
}

/* libwebsockets is done with the connection: the only place that says so in every failure. */
static void ws_destroyed(Ws *ws) {
        lws_set_opaque_user_data(ws->wsi, NULL);
        ws->wsi = NULL;
        ws->state = WS_CLOSED;
        ws->deadline = sd_event_source_disable_unref(ws->deadline);
        ws_loop_unlink(ws->loop, ws);
        if (ws->server)
                ws->server->n_connections--;

        ws_ended(ws, -ECONNRESET, "the connection was closed");
        if (ws->owned && ws->handler && ws->handler->closed)
                ws->handler->closed(ws, ws->error, ws->reason, ws->userdata);
        else if (ws->owned && ws->server)
                ws_free(ws); /* it never became somebody's */
        ws_unref(ws);
}

static void ws_finish_message(Ws *ws) {
        int dropped = ws->dropping;

        ws->dropping = 0;
        if (dropped == 0 && !utf8_is_valid(ws->in.data ?: "", ws->in.size))
                dropped = -EILSEQ;

        if (ws->owned && dropped < 0)
                ws->handler->dropped(ws, dropped, ws->userdata);
        else if (ws->owned)
                ws->handler->message(ws, ws->in.data ?: "", ws->in.size, ws->userdata);
        buffer_clear(&ws->in);
}

static void ws_receive(Ws *ws, const char *data, size_t size) {
        int r;

        ws->heard = true;
        if (!ws->handler || ws->state != WS_OPEN)
                return;

        if (ws->dropping == 0 && lws_frame_is_binary(ws->wsi))
                ws->dropping = -EPROTO;
        if (ws->dropping == 0) {
                r = buffer_add(&ws->in, data, size);
                if (r < 0)
                        ws->dropping = r == -ENOBUFS ? -EMSGSIZE : r;
        }
        if (ws->dropping)
                buffer_clear(&ws->in);

        if (lws_is_final_fragment(ws->wsi) && lws_remaining_packet_payload(ws->wsi) == 0)
                ws_finish_message(ws);
}

static int ws_write_ping(Ws *ws) {
        uint8_t frame[LWS_PRE + 1] = {};

        ws->ping = false;
        return lws_write(ws->wsi, frame + LWS_PRE, 0, LWS_WRITE_PING) < 0 ? -1 : 0;
}

/* Client frames are masked in place, so a message is written once and then freed; the return value
 * counts the frame's head too. */
static int ws_write_queue(Ws *ws) {
        for (unsigned n = 0; ws->first && n < WRITES_MAX; n++) {
                WsMessage *m = ws->first;
                size_t size = m->size;
                int written;

                written = lws_write(ws->wsi, m->data + LWS_PRE, size, LWS_WRITE_TEXT);
                ws->first = m->next;
                if (!ws->first)
                        ws->last = NULL;
                ws->queued -= size;
                free(m);

                if (written < (int) size) {
                        ws_ended(ws, -ECONNRESET, "the connection broke while writing");
                        return -1;
                }
                if (lws_send_pipe_choked(ws->wsi))
                        break;
        }
        return 0;
}

/* lws_close_reason() sends nothing in 4.1 on a libuv loop, where a close is done twice at once. So
 * we send the frame and leave the end to the peer, or to the deadline. */
static int ws_write_close(Ws *ws) {
        uint8_t frame[LWS_PRE + 2 + sizeof(ws->reason)];
        size_t n = strlen(ws->reason);

        if (ws->close_code == 0)
                return 0; /* sent already */

        frame[LWS_PRE] = (uint8_t) (ws->close_code >> 8);
        frame[LWS_PRE + 1] = (uint8_t) ws->close_code;
        n = utf8_prefix(ws->reason, n, CLOSE_REASON_MAX);
        memcpy(frame + LWS_PRE + 2, ws->reason, n);
        ws->close_code = 0;
        return lws_write(ws->wsi, frame + LWS_PRE, n + 2, WRITE_CLOSE) < 0 ? -1 : 0;
}

static int ws_writeable(Ws *ws) {
        bool had = ws->first;

        ws->writing = false;
        if (ws->ping && ws_write_ping(ws) < 0)
                return -1;
        if (ws_write_queue(ws) < 0)
                return -1;

        if (ws->first) {
                ws_want_write(ws);
                return 0;
        }
        if (ws->state == WS_CLOSING)
                return ws_write_close(ws);
        if (had && ws->owned && ws->handler->drained)
                ws->handler->drained(ws, ws->userdata);
        return 0;
}

static void ws_peer_closed(Ws *ws, const uint8_t *data, size_t size) {
        char reason[sizeof(ws->reason)] = "the peer closed the connection";
        size_t n;

        if (size > 2) {
                n = utf8_prefix((const char *) data + 2, size - 2, sizeof(reason) - 1);
                if (utf8_is_valid((const char *) data + 2, n)) {
                        memcpy(reason, data + 2, n);
                        reason[n] = '\0';
                }
        }
        ws_ended(ws, -ECONNRESET, reason);
}

static int ws_dispatch(Ws *ws, enum lws_callback_reasons reason, void *in, size_t size) {
        switch ((int) reason) {
        case LWS_CALLBACK_CLIENT_ESTABLISHED:
                ws_opened(ws);
                return 0;
        case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
                return ws_client_request(ws, in, size);
        case LWS_CALLBACK_CLIENT_RECEIVE:
        case LWS_CALLBACK_RECEIVE:
                ws_receive(ws, in, size);
                return 0;
        case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
                ws->heard = true;
                return 0;
        case LWS_CALLBACK_CLIENT_WRITEABLE:
        case LWS_CALLBACK_SERVER_WRITEABLE:
                return ws_writeable(ws);
        case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
                ws_ended(ws, -ECONNREFUSED, in ? (const char *) in : "the connection was refused");
                return 0;
        case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
                ws_peer_closed(ws, in, size);
                return 0;
        case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
                ws_ended(ws, -EPROTO, "the peer did not answer as a websocket");
                return 0;
        default:
                return ws->server ? ws_server_callback(ws, reason, in) : 0;
        }
}

int ws_callback(struct lws *wsi, enum lws_callback_reasons reason, _unused_ void *user, void *in,
                size_t size) {
        Ws *ws = lws_get_opaque_user_data(wsi);
        int r;

        if (!ws)
                return 0;

        ws->wsi = wsi;
        if (reason == LWS_CALLBACK_WSI_DESTROY) {
                ws_destroyed(ws);
                return 0;
        }

        ws_ref(ws);
        r = ws_dispatch(ws, reason, in, size);
        if (!ws->owned && ws->state != WS_CLOSED)
                r = -1;
        ws_unref(ws);
        return r;
}

int ws_send(Ws *ws, const char *text, size_t size) {
        WsMessage *m;

        if (ws->state != WS_OPEN)
                return -ENOTCONN;
        if (size > ws->limits.queue_max || ws->queued > ws->limits.queue_max - size)
                return -ENOBUFS;

        m = malloc(sizeof(WsMessage) + LWS_PRE + size);
        if (!m)
                return -ENOMEM;
        *m = (WsMessage){ .size = size };
        memcpy(m->data + LWS_PRE, text, size);

        if (ws->last)
                ws->last->next = m;
        else
                ws->first = m;
        ws->last = m;
        ws->queued += size;
        ws_want_write(ws);
        return 0;
}

size_t ws_queued(const Ws *ws) {
        return ws->queued;
}

void ws_pause(Ws *ws, bool pause) {
        if (!ws->wsi || ws->paused == pause)
                return;

        ws->paused = pause;
        lws_rx_flow_control(ws->wsi, !pause);
}

static int on_close_deadline(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        ws_kill(userdata);
        return 0;
}

void ws_close(Ws *ws, uint16_t code, const char *reason) {
        if (ws->state != WS_CONNECTING && ws->state != WS_OPEN)
                return;

        ws_ended(ws, -ECANCELED, reason);
        if (ws->state == WS_CONNECTING) {
                ws_kill(ws);
                return;
        }

        ws->state = WS_CLOSING;
        ws->close_code = code;
        ws_want_write(ws);
        if (sd_event_add_time_relative(ws_loop_event(ws->loop), &ws->deadline, CLOCK_MONOTONIC,
                            CLOSE_USEC, SEC, on_close_deadline, ws) < 0)
                ws_kill(ws); /* without a deadline a peer that does not read could stay for ever */
}

void ws_set_handler(Ws *ws, const WsHandler *h, void *userdata) {
        ws->handler = h;
        ws->userdata = userdata;
}

Ws *ws_free(Ws *ws) {
        if (!ws)
                return NULL;

        ws->owned = false;
        ws_kill(ws);
        return ws_unref(ws);
}
