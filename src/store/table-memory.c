/* Rows of agent_memories and the index of their words, see table-memory.h. */
#include "table-memory.h"

#include <stdio.h>
#include <strings.h>

#define QUERY_MAX 4096
#define WORDS_MAX 256 /* of which the longest are looked for */
#define WORD_MIN  3   /* bytes: one letter of some scripts */
#define WORD_MAX  64
#define HITS_MAX  200 /* of one word, the newest: where there are more it says little */
#define WORTH     (INT64_C(1) << 20)

enum {
        Q_ADD,
        Q_INDEX,
        Q_COUNT,
        Q_LEAST,
        Q_FIND,
        Q_UNINDEX,
        Q_REMOVE,
        Q_UNINDEX_ALL,
        Q_REMOVE_ALL,
        Q_WORD,
        Q_GET,
        Q_NEWEST,
        Q_ALL,
        Q_USE,
        _Q_MAX,
};

#define TO_TEXT(x) #x
#define TEXT_OF(x) TO_TEXT(x)
#define UNINDEX                                                                         \
        "INSERT INTO agent_memory_words (agent_memory_words, rowid, agent_npub, text) " \
        "SELECT 'delete', seq, agent_npub, text FROM agent_memories "

static const char *const texts[_Q_MAX] = {
        [Q_ADD] = "INSERT INTO agent_memories (agent_npub, id, text, created_at) "
                  "VALUES (?, ?, ?, ?)",
        [Q_INDEX] = "INSERT INTO agent_memory_words (rowid, agent_npub, text) VALUES (?, ?, ?)",
        [Q_COUNT] = "SELECT count(*) FROM agent_memories WHERE agent_npub = ?",
        [Q_LEAST] = "SELECT seq FROM agent_memories WHERE agent_npub = ?1 AND seq NOT IN (SELECT "
                    "seq FROM agent_memories WHERE agent_npub = ?1 ORDER BY seq DESC "
                    "LIMIT " TEXT_OF(MEMORIES_YOUNG) ") ORDER BY uses, seq LIMIT 1",
        [Q_FIND] = "SELECT seq FROM agent_memories WHERE agent_npub = ? AND id = ?",
        /* The index wants to be told what was in a row that goes. */
        [Q_UNINDEX] = UNINDEX "WHERE seq = ?",
        [Q_REMOVE] = "DELETE FROM agent_memories WHERE seq = ?",
        [Q_UNINDEX_ALL] = UNINDEX "WHERE agent_npub = ?",
        [Q_REMOVE_ALL] = "DELETE FROM agent_memories WHERE agent_npub = ?",
        [Q_WORD] = "SELECT rowid FROM agent_memory_words WHERE agent_memory_words MATCH ? "
                   "ORDER BY rowid DESC LIMIT " TEXT_OF(HITS_MAX),
        /* The words said it already; that a memory is another agent's must not hang on them. */
        [Q_GET] = "SELECT id, text, created_at, seq FROM agent_memories WHERE seq = ?2 "
                  "AND agent_npub = ?1",
        [Q_NEWEST] = "SELECT id, text, created_at, seq FROM agent_memories WHERE agent_npub = ? "
                     "ORDER BY seq DESC LIMIT ?",
        [Q_ALL] = "SELECT id, text, created_at FROM agent_memories WHERE agent_npub = ? "
                  "ORDER BY seq",
        [Q_USE] = "UPDATE agent_memories SET uses = uses + 1 WHERE seq = ?",
};

struct MemoryTable {
        Sql *db;
        SqlStatement *q[_Q_MAX];
};

int memory_table_new(Sql *db, MemoryTable **ret) {
        _cleanup_(memory_table_freep) MemoryTable *t = NULL;
        int r;

        t = new0(MemoryTable, 1);
        if (!t)
                return -ENOMEM;
        t->db = db;
        r = sql_prepare_table(db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

MemoryTable *memory_table_free(MemoryTable *t) {
        return mfree(t); /* the statements belong to the database */
}

const char *memory_fault(const Memory *m) {
        if (!is_item_id(m->id))
                return "a memory has an id of 1 to 64 letters, digits, dots, colons, hyphens and "
                       "underscores";
        if (isempty(m->text) || strlen(m->text) > MEMORY_TEXT_MAX)
                return "a memory has a text of 1 to 2048 bytes";
        if (m->at < 0)
                return "a time is negative";
        return NULL;
}

static int remove_one(MemoryTable *t, int64_t seq) {
        sql_bind_int(t->q[Q_UNINDEX], 1, seq);
        sql_bind_int(t->q[Q_REMOVE], 1, seq);
        return sql_run(t->q[Q_UNINDEX]) ?: sql_run(t->q[Q_REMOVE]);
}

/* The number that a query finds; 1 = it found one. */
static int find(SqlStatement *query, int64_t *ret) {
        _cleanup_sql_ SqlStatement *q = query;
        int r = sql_step(q);

        if (r > 0)
                *ret = sql_int(q, 0);
        return r;
}

static int memory_evict(MemoryTable *t, const char *npub) {
        int64_t n, seq;
        int r;

        sql_bind_text(t->q[Q_COUNT], 1, npub);
        r = find(t->q[Q_COUNT], &n);
        for (; r > 0 && n > MEMORIES_MAX; n--) {
                sql_bind_text(t->q[Q_LEAST], 1, npub);
                r = find(t->q[Q_LEAST], &seq);
                if (r > 0)
                        r = remove_one(t, seq) ?: 1;
        }
        return MIN(r, 0);
}

static int memory_insert(MemoryTable *t, const char *npub, const Memory *m) {
        SqlStatement *q = t->q[Q_ADD], *index = t->q[Q_INDEX];
        int r;

        sql_bind_text(q, 1, npub);
        sql_bind_text(q, 2, m->id);
        sql_bind_text(q, 3, m->text);
        sql_bind_int(q, 4, m->at);
        r = sql_run(q);
        if (r < 0)
                return r;
        sql_bind_int(index, 1, sql_last_id(t->db));
        sql_bind_text(index, 2, npub);
        sql_bind_text(index, 3, m->text);
        return sql_run(index);
}

int memory_add(MemoryTable *t, const char *npub, const Memory *m, Outcome *ret) {
        const char *fault = memory_fault(m);
        int64_t seq;
        int r;

        if (fault)
                return outcome_say(ret, -EINVAL, fault);
        sql_bind_text(t->q[Q_FIND], 1, npub);
        sql_bind_text(t->q[Q_FIND], 2, m->id);
        r = find(t->q[Q_FIND], &seq);
        if (r != 0)
                return r < 0 ? r : outcome_say(ret, 1, "it is remembered already");
        r = memory_insert(t, npub, m);
        if (r >= 0)
                r = memory_evict(t, npub);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

int memory_forget(MemoryTable *t, const char *npub, const char *id, Outcome *ret) {
        int64_t seq;
        int r;

        sql_bind_text(t->q[Q_FIND], 1, npub);
        sql_bind_text(t->q[Q_FIND], 2, id);
        r = find(t->q[Q_FIND], &seq);
        if (r <= 0)
                return r < 0 ? r : outcome_say(ret, 1, "there is no such memory");
        r = remove_one(t, seq);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

int memory_remove_all(MemoryTable *t, const char *npub) {
        sql_bind_text(t->q[Q_UNINDEX_ALL], 1, npub);
        sql_bind_text(t->q[Q_REMOVE_ALL], 1, npub);
        return sql_run(t->q[Q_UNINDEX_ALL]) ?: sql_run(t->q[Q_REMOVE_ALL]);
}

int memory_use(MemoryTable *t, int64_t key) {
        SqlStatement *q = t->q[Q_USE];

        sql_bind_int(q, 1, key);
        return sql_run(q);
}

/* Searching. Each word by itself, so that it can be weighed among this agent's memories alone:
 * FTS5's own rank would count the words in those of all agents. */

typedef struct Hit {
        int64_t key, worth;
} Hit;

typedef struct Hits {
        Hit list[MEMORY_WORDS_MAX * HITS_MAX];
        size_t n;
} Hits;

/* Letters and digits of ASCII, and all of the other scripts: FTS5 looks closer at those. */
static bool is_letter(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (uint8_t) c >= 0x80;
}

/* One word in quotes: nothing of it can be an operator of FTS5, since a quote is no letter. */
static int add_word(MemoryTable *t, const char *npub, const char *word, int size, Hits *hits) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_WORD];
        char expression[WORD_MAX + 160];
        size_t first = hits->n;
        int r;

        (void) snprintf(expression, sizeof(expression),
                        "agent_npub : \"%.80s\" AND text : \"%.*s\"", npub, size, word);
        sql_bind_text(q, 1, expression);
        while ((r = sql_step(q)) > 0)
                hits->list[hits->n++].key = sql_int(q, 0);
        for (size_t i = first; i < hits->n; i++)
                hits->list[i].worth = WORTH / (int64_t) (hits->n - first);
        return r;
}

/* The first word from there on, and its size: 0 at the end. */
static size_t next_word(const char **at) {
        size_t n = 0;

        while (**at && !is_letter(**at))
                (*at)++;
        while (is_letter((*at)[n]))
                n++;
        return n;
}

typedef struct Word {
        const char *at;
        size_t size;
} Word;

static bool is_among(const Word *words, size_t n, const Word *w) {
        for (size_t i = 0; i < n; i++)
                if (words[i].size == w->size && strncasecmp(words[i].at, w->at, w->size) == 0)
                        return true;
        return false;
}

/* The longest first, and those of one length as they stand in the text. */
static int by_size(const void *a, const void *b) {
        const Word *x = a, *y = b;

        if (x->size != y->size)
                return (x->size < y->size) - (x->size > y->size);
        return (x->at > y->at) - (x->at < y->at);
}

/* Each word costs; long ones tend to be rare, and say more. */
static int add_words(MemoryTable *t, const char *npub, const char *query, Hits *hits) {
        Word words[WORDS_MAX], w = { query, 0 };
        size_t n = 0;
        int r = 0;

        for (; n < WORDS_MAX && (w.size = next_word(&w.at)) > 0; w.at += w.size)
                if (w.size >= WORD_MIN && w.size <= WORD_MAX && !is_among(words, n, &w))
                        words[n++] = w;
        qsort(words, n, sizeof(Word), by_size);
        for (size_t i = 0; i < n && i < MEMORY_WORDS_MAX && r >= 0; i++)
                r = add_word(t, npub, words[i].at, (int) words[i].size, hits);
        return r;
}

static int by_key(const void *a, const void *b) {
        const Hit *x = a, *y = b;

        return (x->key > y->key) - (x->key < y->key);
}

/* The newer of two that are worth the same. */
static int by_worth(const void *a, const void *b) {
        const Hit *x = a, *y = b;

        if (x->worth != y->worth)
                return (x->worth < y->worth) - (x->worth > y->worth);
        return -by_key(a, b);
}

/* Hits of several words on one memory become one. */
static void rank(Hits *hits) {
        size_t n = 0;

        qsort(hits->list, hits->n, sizeof(Hit), by_key);
        for (size_t i = 0; i < hits->n; i++) {
                if (n > 0 && hits->list[n - 1].key == hits->list[i].key)
                        hits->list[n - 1].worth += hits->list[i].worth;
                else
                        hits->list[n++] = hits->list[i];
        }
        hits->n = n;
        qsort(hits->list, hits->n, sizeof(Hit), by_worth);
}

static int rows(SqlStatement *query, memory_row_t row, void *userdata) {
        _cleanup_sql_ SqlStatement *q = query;
        int r;

        while ((r = sql_step(q)) > 0) {
                r = row(&(Memory){ sql_text(q, 0), sql_text(q, 1), sql_int(q, 2) }, sql_int(q, 3),
                                userdata);
                if (r < 0)
                        break;
        }
        return MIN(r, 0);
}

int memory_search(MemoryTable *t, const char *npub, const char *query, unsigned limit,
                memory_row_t row, void *userdata) {
        _cleanup_free_ char *cut = NULL;
        _cleanup_free_ Hits *hits = NULL;
        int r;

        cut = text_cut(query, QUERY_MAX);
        hits = malloc(sizeof(Hits));
        if (!cut || !hits)
                return -ENOMEM;
        hits->n = 0;
        r = add_words(t, npub, cut, hits);
        if (r < 0)
                return r;
        rank(hits);
        for (size_t i = 0; i < hits->n && i < limit && r >= 0; i++) {
                sql_bind_text(t->q[Q_GET], 1, npub);
                sql_bind_int(t->q[Q_GET], 2, hits->list[i].key);
                r = rows(t->q[Q_GET], row, userdata);
        }
        return r;
}

int memory_newest(MemoryTable *t, const char *npub, unsigned limit, memory_row_t row,
                void *userdata) {
        SqlStatement *q = t->q[Q_NEWEST];

        sql_bind_text(q, 1, npub);
        sql_bind_int(q, 2, limit);
        return rows(q, row, userdata);
}

int memory_count(MemoryTable *t, const char *npub, int64_t *ret) {
        int r;

        sql_bind_text(t->q[Q_COUNT], 1, npub);
        r = find(t->q[Q_COUNT], ret);
        return r == 0 ? -ENODATA : MIN(r, 0);
}

SqlStatement *memory_all(MemoryTable *t, const char *npub) {
        SqlStatement *q = t->q[Q_ALL];

        sql_bind_text(q, 1, npub);
        return q;
}
