/* pylon completion: what a shell may offer, printed from the tables of verbs and options. The names
 * of agents are asked for when they are needed: `pylon completion agents`. */
#include <stdio.h>

#include "agent.h"
#include "verb-table.h"
#include "verb.h"

#define ASK_NAMES "pylon completion agents 2>/dev/null"

typedef struct Tables {
        const Verb *verbs;
        const OptionRow *options;
        size_t n_verbs, n_options;
} Tables;

static Tables tables(void) {
        Tables t;

        t.verbs = verb_rows(&t.n_verbs);
        t.options = option_rows(&t.n_options);
        return t;
}

/* The first verb of its group speaks for it. */
static bool is_first(const Tables *t, size_t i) {
        return i == 0 || !t->verbs[i].group || !t->verbs[i - 1].group ||
               !streq(t->verbs[i].group, t->verbs[i - 1].group);
}

static bool is_in(const Verb *v, const char *group) {
        return v->group && streq(v->group, group);
}

static bool wants_agent(const Verb *v) {
        return v->group && streq(v->group, "agent") &&
               (startswith(v->synopsis, "NAME") || streq(v->synopsis, "[NAME]")) &&
               !streq(v->name, "spawn");
}

static bool wants_file(const OptionRow *o) {
        return o->value && (streq(o->value, "PATH") || streq(o->value, "FILE"));
}

/* Inside '…' of a shell: the help has no quotes of that kind but by chance. */
static void print_quoted(const char *text, char also) {
        for (; *text; text++)
                if (*text == '\'')
                        (void) fputs("'\\''", stdout);
                else if (also && *text == also)
                        (void) printf("\\%c", also);
                else
                        (void) putchar(*text);
}

/* "a|b|c" as words. */
static void print_choice(const char *value) {
        for (const char *p = value; *p; p++)
                (void) putchar(*p == '|' ? ' ' : *p);
}

static bool is_choice(const OptionRow *o) {
        return o->value && strchr(o->value, '|') && !startswith(o->value, "AMOUNT");
}

/* ---- bash */

static void bash_values(const Tables *t) {
        for (const OptionRow *o = t->options; o < t->options + t->n_options; o++) {
                if (wants_file(o))
                        (void) printf("        --%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n",
                                        option_spelling(o));
                else if (is_choice(o)) {
                        (void) printf("        --%s) COMPREPLY=($(compgen -W '",
                                        option_spelling(o));
                        print_choice(o->value);
                        (void) printf("' -- \"$cur\")); return ;;\n");
                }
        }
        (void) printf("        --mode|-m) COMPREPLY=($(compgen -W 'provider host both' -- \"$cur\")); return ;;\n");
}

static void bash_groups(const Tables *t) {
        for (size_t i = 0; i < t->n_verbs; i++) {
                if (!t->verbs[i].group || !is_first(t, i))
                        continue;
                (void) printf("        %s) COMPREPLY=($(compgen -W '", t->verbs[i].group);
                for (size_t k = 0; k < t->n_verbs; k++)
                        if (is_in(&t->verbs[k], t->verbs[i].group))
                                (void) printf("%s ", t->verbs[k].name);
                (void) printf("' -- \"$cur\")); return ;;\n");
        }
}

static void print_options_of(const Tables *t, const Verb *v) {
        for (const OptionRow *o = t->options; o < t->options + t->n_options; o++)
                if (verb_has(v, o))
                        (void) printf("--%s ", option_spelling(o));
}

static void bash_options(const Tables *t) {
        for (size_t i = 0; i < t->n_verbs; i++) {
                const Verb *v = &t->verbs[i];

                (void) printf("        '%s%s%s%s') words='", v->group ?: "", v->group ? " " : "",
                                v->name, v->group ? "" : " '*'");
                print_options_of(t, v);
                (void) printf("' ;;\n");
        }
}

static void print_bash(const Tables *t) {
        (void) printf("# bash completion for pylon, printed by `pylon completion`\n"
                      "_pylon() {\n"
                      "        local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=\n"
                      "        case \"$prev\" in\n");
        bash_values(t);
        (void) printf("        esac\n"
                      "        [ \"$COMP_CWORD\" = 2 ] && case \"$prev\" in\n");
        bash_groups(t);
        (void) printf("        esac\n"
                      "        [ \"$COMP_CWORD\" = 3 ] && case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n"
                      "        ");
        for (size_t i = 0, n = 0; i < t->n_verbs; i++)
                if (wants_agent(&t->verbs[i]))
                        (void) printf("%s'agent %s'", n++ > 0 ? "|" : "", t->verbs[i].name);
        (void) printf(") words=$(" ASK_NAMES ") ;;\n"
                      "        esac\n"
                      "        if [ \"$COMP_CWORD\" = 1 ]; then\n"
                      "                words='");
        for (size_t i = 0; i < t->n_verbs; i++)
                if (is_first(t, i))
                        (void) printf("%s ", t->verbs[i].group ?: t->verbs[i].name);
        print_options_of(t, NULL);
        (void) printf("'\n"
                      "        elif [ -z \"$words\" ] || [ \"${cur#-}\" != \"$cur\" ]; then\n"
                      "                case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
        bash_options(t);
        (void) printf("                esac\n"
                      "        fi\n"
                      "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                      "}\ncomplete -o default -F _pylon pylon\n");
}

/* ---- zsh */

static void zsh_verb(const char *name, const char *help) {
        (void) printf("'");
        print_quoted(name, ':');
        (void) printf(":");
        print_quoted(help, 0);
        (void) printf("' ");
}

static void zsh_verbs(const Tables *t, const char *group) {
        for (size_t i = 0; i < t->n_verbs; i++)
                if (is_in(&t->verbs[i], group))
                        zsh_verb(t->verbs[i].name, _(t->verbs[i].help));
}

static void zsh_first_words(const Tables *t) {
        for (size_t i = 0; i < t->n_verbs; i++)
                if (is_first(t, i))
                        zsh_verb(t->verbs[i].group ?: t->verbs[i].name,
                                        t->verbs[i].group ? "" : _(t->verbs[i].help));
}

static void zsh_options(const Tables *t) {
        for (size_t i = 0; i < t->n_verbs; i++) {
                const Verb *v = &t->verbs[i];

                (void) printf("        '%s%s%s%s') list=(", v->group ?: "", v->group ? " " : "",
                                v->name, v->group ? "" : " '*'");
                for (const OptionRow *o = t->options; o < t->options + t->n_options; o++)
                        if (verb_has(v, o)) {
                                char word[64];

                                (void) snprintf(word, sizeof(word), "--%s", option_spelling(o));
                                zsh_verb(word, _(o->help));
                        }
                (void) printf(") ;;\n");
        }
}

static void print_zsh(const Tables *t) {
        (void) printf("#compdef pylon\n# printed by `pylon completion zsh`\n"
                      "local -a list\n"
                      "case \"$words[CURRENT-1]\" in\n");
        for (const OptionRow *o = t->options; o < t->options + t->n_options; o++)
                if (wants_file(o))
                        (void) printf("--%s) _files; return ;;\n", option_spelling(o));
                else if (is_choice(o)) {
                        (void) printf("--%s) compadd ", option_spelling(o));
                        print_choice(o->value);
                        (void) printf("; return ;;\n");
                }
        (void) printf("esac\n"
                      "if (( CURRENT == 2 )); then\n        list=(");
        zsh_first_words(t);
        (void) printf(")\n        _describe -t commands command list; return\nfi\n"
                      "if (( CURRENT == 3 )); then\n        case \"$words[2]\" in\n");
        for (size_t i = 0; i < t->n_verbs; i++) {
                if (!t->verbs[i].group || !is_first(t, i))
                        continue;
                (void) printf("        %s) list=(", t->verbs[i].group);
                zsh_verbs(t, t->verbs[i].group);
                (void) printf(") ;;\n");
        }
        (void) printf("        esac\n"
                      "        (( $#list )) && { _describe -t commands command list; return }\nfi\n"
                      "if [[ $CURRENT == 4 && $words[4] != -* ]]; then\n"
                      "        case \"$words[2] $words[3]\" in\n        ");
        for (size_t i = 0, n = 0; i < t->n_verbs; i++)
                if (wants_agent(&t->verbs[i]))
                        (void) printf("%s'agent %s'", n++ > 0 ? "|" : "", t->verbs[i].name);
        (void) printf(") compadd -- $(" ASK_NAMES ") ;;\n        esac\nfi\n"
                      "if [[ $words[CURRENT] == -* ]]; then\n"
                      "        case \"$words[2] $words[3]\" in\n");
        zsh_options(t);
        (void) printf("        esac\n        _describe -o -t options option list\nelse\n        _files\nfi\n");
}

/* ---- fish */

static void fish_option(const OptionRow *o, const Verb *v) {
        if (v && v->group)
                (void) printf("complete -c pylon -n '__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s' -l %s",
                                v->group, v->name, option_spelling(o));
        else if (v)
                (void) printf("complete -c pylon -n '__fish_seen_subcommand_from %s' -l %s",
                                v->name, option_spelling(o));
        else
                (void) printf("complete -c pylon -l %s", option_spelling(o));
        if (o->letter)
                (void) printf(" -s %c", o->letter);
        if (wants_file(o))
                (void) printf(" -rF");
        else if (o->value)
                (void) printf(" -x");
        if (is_choice(o)) {
                (void) printf(" -a '");
                print_choice(o->value);
                (void) printf("'");
        }
        (void) printf(" -d '");
        print_quoted(_(o->help), 0);
        (void) printf("'\n");
}

static void fish_verb(const Tables *t, size_t i) {
        const Verb *v = &t->verbs[i];

        if (is_first(t, i)) {
                (void) printf("complete -c pylon -n __fish_use_subcommand -a %s -d '",
                                v->group ?: v->name);
                print_quoted(v->group ? "" : _(v->help), 0);
                (void) printf("'\n");
        }
        if (v->group) {
                (void) printf("complete -c pylon -n '__pylon_words 2 %s' -a %s -d '", v->group,
                                v->name);
                print_quoted(_(v->help), 0);
                (void) printf("'\n");
        }
        if (wants_agent(v))
                (void) printf("complete -c pylon -n '__pylon_words 3 agent %s' -a '(" ASK_NAMES
                              ")'\n",
                                v->name);
        for (const OptionRow *o = t->options; o < t->options + t->n_options; o++)
                if (verb_has(v, o) && !verb_has(NULL, o))
                        fish_option(o, v);
}

static void print_fish(const Tables *t) {
        (void) printf("# fish completion for pylon, printed by `pylon completion fish`\n"
                      "function __pylon_words\n"
                      "        set -l words (commandline -opc)\n"
                      "        test (count $words) -eq $argv[1]; or return 1\n"
                      "        for i in (seq 2 (count $argv))\n"
                      "                test \"$words[$i]\" = \"$argv[$i]\"; or return 1\n"
                      "        end\n"
                      "end\n"
                      "complete -c pylon -f\n");
        for (size_t i = 0; i < t->n_verbs; i++)
                fish_verb(t, i);
        for (const OptionRow *o = t->options; o < t->options + t->n_options; o++)
                if (verb_has(NULL, o))
                        fish_option(o, NULL);
}

/* ---- */

/* Nothing where nobody answers: a shell is asking, and nobody would see why. */
static int print_agents(Cli *cli) {
        _cleanup_(remote_done) Remote host = { 0 };
        _cleanup_(agents_done) AgentList l = { 0 };
        CallError error;
        int r;

        r = cli_locate(cli);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_open(cli, "host", &host, &error) < 0 || agents_read(&host, &l, &error) < 0)
                return error_exit_code("NotRunning");
        for (size_t i = 0; i < l.n; i++)
                (void) printf("%s\n", l.agents[i].name);
        return EXIT_SUCCESS;
}

int verb_completion(Cli *cli) {
        const char *shell = cli->args.n_rest > 0 ? cli->args.rest[0] : "bash";
        const Tables t = tables();

        if (streq(shell, "agents"))
                return print_agents(cli);
        if (streq(shell, "bash"))
                print_bash(&t);
        else if (streq(shell, "zsh"))
                print_zsh(&t);
        else if (streq(shell, "fish"))
                print_fish(&t);
        else
                return cli_fail(cli, "Usage",
                                _("There are completions for bash, zsh and fish, not for \"%s\"."),
                                shell);
        return EXIT_SUCCESS;
}
