#pragma once
/* The other end of backend-pow: a process that mines, so that the provider's loop never waits. One
 * packet in, one packet out, on the socket that it finds as descriptor 3. */
#define POW_WORKER_OPTION  "--pow-worker"
#define POW_WORKER_FD      3
#define POW_WORKER_IDLE_MS 10000 /* leaves when nothing came for so long */
#define POW_PACKET_MAX     (160 * 1024)

int pow_worker_main(void); /* the exit code */
