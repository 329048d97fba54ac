#pragma once
/* `pylon-provider --withdraw`: what a provider that crashed has announced is taken back. Whoever
 * sees that it ended runs this; where it ended well there is nothing to do. */

#define WITHDRAW_OPTION "--withdraw"

int withdraw_main(int argc, char *argv[]); /* the exit code; the other options are the usual ones */
