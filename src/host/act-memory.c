/* What an agent does to its own goals and memories: in the same transaction as it is noted to be
 * done. What is new is known as "TICK.N", so that doing it again changes nothing. */
#include <inttypes.h>
#include <stdio.h>

#include "deed.h"

static void new_id(const Deed *d, char ret[static ITEM_ID_MAX + 1]) {
        (void) snprintf(ret, ITEM_ID_MAX + 1, "%" PRIi64 ".%u", d->number, d->n);
}

static int apply_goal_add(Deed *d, ActionMove *m) {
        char id[ITEM_ID_MAX + 1];
        const AgentGoal goal = {
                .id = id,
                .text = d->action->text,
                .priority = (int) d->action->priority,
                .progress = -1,
        };

        new_id(d, id);
        deed_remark(d, "it is goal %s", id);
        m->goal = &goal;
        return deed_write(d, m);
}

static int apply_goal_update(Deed *d, ActionMove *m) {
        const AgentGoal goal = {
                .id = d->action->id,
                .text = d->action->text,
                .priority = (int) d->action->priority,
                .progress = (int) d->action->progress,
        };

        m->goal = &goal;
        return deed_write(d, m);
}

static int apply_goal_close(Deed *d, ActionMove *m) {
        const AgentGoal goal = {
                .id = d->action->id,
                .priority = -1,
                .progress = -1,
                .status = d->action->status,
        };

        m->goal = &goal;
        return deed_write(d, m);
}

static int apply_remember(Deed *d, ActionMove *m) {
        char id[ITEM_ID_MAX + 1];
        const AgentMemory memory = {
                .id = id,
                .text = d->action->text,
                .at = hands_now(d->hands),
        };

        new_id(d, id);
        deed_remark(d, "it is memory %s", id);
        m->remember = &memory;
        return deed_write(d, m);
}

static int apply_forget(Deed *d, ActionMove *m) {
        m->forget = d->action->id;
        return deed_write(d, m);
}

const DeedClass deed_goal_add = { .apply = apply_goal_add };
const DeedClass deed_goal_update = { .apply = apply_goal_update };
const DeedClass deed_goal_close = { .apply = apply_goal_close };
const DeedClass deed_remember = { .apply = apply_remember };
const DeedClass deed_forget = { .apply = apply_forget };
