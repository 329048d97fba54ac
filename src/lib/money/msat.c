#include "money/msat.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

static const struct {
        const char *name;
        int decimals; /* places behind the point that are whole millisats */
} units[] = {
        { "", 3 },
        { "sat", 3 },
        { "sats", 3 },
        { "msat", 0 },
        { "msats", 0 },
        { "btc", 11 },
};

static int unit_decimals(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strcasecmp(units[i].name, name) == 0)
                        return units[i].decimals;
        return -1;
}

static int add_digit(int64_t *value, char digit) {
        if (*value > (MSAT_MAX - (digit - '0')) / 10)
                return -ERANGE;
        *value = *value * 10 + (digit - '0');
        return 0;
}

int msat_parse(const char *text, int64_t *ret, const char **reterr) {
        size_t whole = strspn(text, "0123456789"), part = 0;
        int64_t value = 0;
        int decimals, r = 0;

        *reterr = "an amount is a number with \"sat\", \"msat\" or \"btc\" behind it";
        if (text[whole] == '.')
                part = strspn(text + whole + 1, "0123456789");
        if (whole == 0 || (text[whole] == '.' && part == 0))
                return -EINVAL;
        text += whole;
        decimals = unit_decimals(
                        text + (part ? part + 1 : 0) + strspn(text + (part ? part + 1 : 0), " "));
        if (decimals < 0)
                return -EINVAL;

        for (size_t i = 0; i < whole && r >= 0; i++)
                r = add_digit(&value, text[(ptrdiff_t) i - (ptrdiff_t) whole]);
        for (size_t i = 0; i < MAX(part, (size_t) decimals) && r >= 0; i++) {
                char digit = i < part ? text[1 + i] : '0';

                if (i < (size_t) decimals)
                        r = add_digit(&value, digit);
                else if (digit != '0')
                        return *reterr = "it is not a whole number of millisats", -EINVAL;
        }
        if (r < 0)
                return *reterr = "it is more than all bitcoin", -EINVAL;
        *ret = value;
        return 0;
}

const char *msat_text(int64_t msat, char ret[static MSAT_TEXT_MAX]) {
        uint64_t value = msat < 0 ? 0 - (uint64_t) msat : (uint64_t) msat;
        const char *sign = msat < 0 ? "-" : "";
        int part = (int) (value % 1000), places = 3;

        for (; part > 0 && part % 10 == 0; places--)
                part /= 10;
        if (part == 0)
                (void) snprintf(ret, MSAT_TEXT_MAX, "%s%" PRIu64 " sat", sign, value / 1000);
        else
                (void) snprintf(ret, MSAT_TEXT_MAX, "%s%" PRIu64 ".%0*d sat", sign, value / 1000,
                                places, part);
        return ret;
}
