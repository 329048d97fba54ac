#pragma once
/* What an agent may be and have in the store: sizes in bytes, and numbers. For both sides. */

#define AGENT_NAME_MAX        32
#define AGENT_REASON_MAX      512 /* of a reason or an error; longer ones are cut */

#define OBSERVATIONS_MAX      64 /* waiting for one agent */
#define OBSERVATIONS_AT_ONCE  256
#define OBSERVATION_TEXT_MAX  4096 /* longer ones are cut between two characters */
#define OBSERVATION_ID_MAX    128
#define OBSERVATION_TRIES_MAX 8 /* ticks that fail over one before it is given up */

#define GOALS_MAX             64
#define GOAL_TEXT_MAX         1024
#define MEMORIES_MAX          2000
#define MEMORY_TEXT_MAX       2048
#define ITEM_ID_MAX           64 /* of a goal or a memory */

#define TICK_ACTIONS_MAX      32
#define TICK_THOUGHTS_MAX     8
#define TICKS_MAX             10000        /* records of one agent; then the oldest go */
#define TICK_TEXT_MAX         (256 * 1024) /* of a prompt or an answer that is kept; longer: cut */
#define ACTION_JSON_MAX       (64 * 1024)  /* an action's JSON */
#define ACTION_EVENT_MAX      (512 * 1024) /* its events' */

#define AGENT_CONTEXT_MAX     (224 * 1024) /* the JSON of agents_context() */
#define AGENT_EXPORT_MAX      (32 * 1024 * 1024)

#define AGENT_REMOVE_MORE     2 /* the verdict on a part of it; the client asks again by itself */
