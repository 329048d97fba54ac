"""What the tests of paid jobs share: a Pylon that wants to be paid, and a customer who pays with the wallet of the
same machine, from its owner's account."""
import json

from parts import customer, mining_job, tag, wait_for

KEY = {"CUSTOMER_KEY": "42" * 32}




def make_paid(make_pylon, relay, price=21000, more="", env=None, start=True):
    pylon = make_pylon("start", [relay.url], env=env)
    text = pylon.config.read_text().replace("require_payment = false", f"require_payment = true\nmin_price_msats = {price}")
    pylon.config.write_text(text.replace("enable_payments = false", "enable_payments = true") + more)
    if start:
        pylon.start()
    return pylon


def post(relay, *templates):
    return [line["request"] for line in customer("post", relay.url, *templates, env=KEY) if "request" in line]


def feedback(relay, request, status):
    return [e for e in relay.events(7000) if tag(e, "e") == request["id"] and tag(e, "status") == status]


def demands(relay, request):
    """The feedback events that ask for money for this request."""
    return feedback(relay, request, "payment-required")


def demand(relay, request):
    (first, *_) = wait_for(lambda: demands(relay, request), 20, "payment is asked for")
    return first


def bolt11(event):
    return tag(event, "amount", 2)


def job_template(bits=8, content="hello", extra=(), **more):
    template = json.loads(mining_job(bits, content))
    template["tags"] += [list(t) for t in extra]
    return json.dumps({**template, **more})
