/* pylon job settle: what becomes of a job that was paid and could not be done. */
#include "call.h"
#include "out.h"
#include "verb.h"

int verb_job_settle(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote provider = { 0 };
        _cleanup_(out_done) Out o = OUT_INIT;
        const char *destination = cli->args.refund, *id;
        CallError error;
        int r;

        if (!destination == !cli->args.delivered)
                return cli_fail(cli, "Usage", "%s", _("Say either --refund DEST or --delivered."));
        if (destination && startswith(destination, "nostr+walletconnect:"))
                return cli_fail(cli, "Usage", "%s",
                                _("An NWC address is a secret and does not belong on a command line."));
        r = cli_check_text(cli, destination ?: "");
        if (r != EXIT_SUCCESS)
                return r;
        r = remote_open(cli, "provider", &provider, &error);
        if (r >= 0)
                r = remote_call(&provider, "Settle", &reply, &error, "ss", cli->args.rest[0],
                                destination ?: "");
        if (r < 0)
                return call_fail(cli, &error);
        if (sd_bus_message_read(reply, "s", &id) < 0)
                return call_unreadable(cli);
        if (!cli->args.json) {
                cli_say(cli,
                                destination ? _("Job %.12s is being paid back.")
                                            : _("Job %.12s is settled; its money is earned."),
                                id);
                return EXIT_SUCCESS;
        }
        out_object(&o, NULL);
        out_text(&o, "id", id);
        out_text(&o, "settled", destination ? "refund" : "delivered");
        out_end(&o);
        return out_print(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
