#include "mind/name.h"

#include "basic/toml.h"

bool agent_name_is_valid(const char *s) {
        size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-");

        return n > 0 && n <= AGENT_NAME_LENGTH_MAX && s[n] == '\0' && !strchr("._-", *s);
}

int agent_name_from(const char *text, char ret[static AGENT_NAME_LENGTH_MAX + 1]) {
        size_t n = 0;

        for (; *text && n < AGENT_NAME_LENGTH_MAX; text++) {
                char c = *text;

                if (c >= 'A' && c <= 'Z')
                        c = (char) (c - 'A' + 'a');
                if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_'))
                        c = '-';
                if (n == 0 && strchr("._-", c))
                        continue;
                ret[n++] = c;
        }
        while (n > 0 && ret[n - 1] == '-')
                n--;
        ret[n] = '\0';
        return n > 0 ? 0 : -EINVAL;
}

/* The first Pylon kept the words of the key in plain text in here. */
static void wipe_words(char *text, size_t size) {
        char *end = text + size, *next;

        for (char *line = text; line < end; line = next) {
                char *newline = memchr(line, '\n', (size_t) (end - line)) ?: end;
                char *word = line;

                next = newline + (newline < end);
                while (word < newline && (*word == ' ' || *word == '\t'))
                        word++;
                if (newline - word > 8 && memcmp(word, "mnemonic", 8) == 0) {
                        explicit_bzero(word, (size_t) (newline - word));
                        memset(word, ' ', (size_t) (newline - word));
                }
        }
}

int agent_name_read(char *toml, size_t size, char ret[static AGENT_NAME_LENGTH_MAX + 1]) {
        _cleanup_(toml_freep) TomlValue *root = NULL;
        const TomlValue *name, *profile;
        TomlError error;
        const char *text;
        int r;

        wipe_words(toml, size);
        r = toml_parse(toml, size, &root, &error);
        if (r < 0)
                return r;
        name = toml_get(root, "name");
        profile = toml_get(root, "profile");
        if (!name && profile && toml_type(profile) == TOML_TABLE)
                name = toml_get(profile, "name");
        if (!name || toml_string(name, &text) < 0 || agent_name_from(text, ret) < 0)
                return -EBADMSG;
        return 0;
}
