/* The one file that includes libqrencode. */
#include "qr.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "basic/buffer.h"

#if PYLON_QRCODE
#        include <qrencode.h>

#        define QUIET     4  /* modules around it, as the standard wants them */
#        define NAME_MAX_ 12 /* of "LIGHTNING:" */

typedef QRcode Code;

static Code *code_free(Code *c) {
        QRcode_free(c);
        return NULL;
}
DEFINE_CLEANUP(Code, code_free)

/* Outside it is light. */
static bool is_dark(const Code *c, int x, int y) {
        return x >= 0 && y >= 0 && x < c->width && y < c->width && (c->data[y * c->width + x] & 1);
}

/* Light is painted, so that it can be read on a dark terminal as on a light one. */
static void print_row(FILE *f, const Code *c, int y) {
        static const char *const letters[] = { "█", "▀", "▄", " " };

        (void) fputs("\033[97;40m", f);
        for (int x = -QUIET; x < c->width + QUIET; x++)
                (void) fputs(letters[2 * is_dark(c, x, y) + is_dark(c, x, y + 1)], f);
        (void) fputs("\033[0m\n", f);
}

static bool fits(FILE *f, const Code *c) {
        struct winsize size;

        if (!isatty(fileno(f)) || !streq(nl_langinfo(CODESET), "UTF-8"))
                return false;
        return ioctl(fileno(f), TIOCGWINSZ, &size) < 0 || size.ws_col == 0 ||
               size.ws_col >= c->width + 2 * QUIET;
}

/* Upper case takes less room, and means the same in bech32. */
static char *upper(const char *bolt11) {
        size_t n = strlen(bolt11);
        char *text = malloc(n + NAME_MAX_);

        if (!text)
                return NULL;
        memcpy(text, "LIGHTNING:", 11);
        for (size_t i = 0; i <= n; i++)
                text[10 + i] = (char) (bolt11[i] >= 'a' && bolt11[i] <= 'z' ? bolt11[i] - 'a' + 'A'
                                                                            : bolt11[i]);
        return text;
}

void qr_print_invoice(FILE *f, const char *bolt11) {
        _cleanup_free_ char *text = upper(bolt11);
        _cleanup_(code_freep) Code *c = NULL;

        if (!text)
                return;
        c = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);
        if (!c || !fits(f, c))
                return;
        for (int y = -QUIET; y < c->width + QUIET; y += 2)
                print_row(f, c, y);
}

#else

void qr_print_invoice(FILE *f, const char *bolt11) {
        (void) f;
        (void) bolt11;
}

#endif
