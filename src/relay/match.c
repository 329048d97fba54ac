#include "match.h"

int interest_add(Interest *i, const char *json, size_t size, const char **reterr) {
        int r;

        if (i->n == INTEREST_FILTERS_MAX) {
                *reterr = "there are too many filters";
                return -E2BIG;
        }
        r = filter_parse(json, size, &i->filters[i->n], reterr);
        if (r < 0)
                return r;
        i->n++;
        return 0;
}

void interest_done(Interest *i) {
        while (i->n > 0)
                filter_free(i->filters[--i->n]);
}

bool interest_matches(const Interest *i, const Event *e) {
        for (size_t n = 0; n < i->n; n++)
                if (filter_matches(i->filters[n], e))
                        return true;
        return false;
}

bool interest_names_kind(const Interest *i, uint16_t kind) {
        for (size_t n = 0; n < i->n; n++)
                for (size_t k = 0; k < i->filters[n]->n_kinds; k++)
                        if (i->filters[n]->kinds[k] == kind)
                                return true;
        return false;
}
