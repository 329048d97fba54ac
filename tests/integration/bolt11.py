"""BOLT 11 invoices written independently of ours, in nothing but Python: for the nodes which the tests
play. Slow (a signature takes some milliseconds), and never for real money."""
import hashlib
import hmac

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)
PREFIX = {"mainnet": "bc", "testnet": "tb", "signet": "tbs", "regtest": "bcrt"}
CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    slope = (3 * a[0] * a[0] * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(k, point=G):
    total = None
    while k:
        if k & 1:
            total = add(total, point)
        point = add(point, point)
        k >>= 1
    return total


def sign(secret, digest):
    """The signature with its recovery id, as 65 bytes."""
    nonce = int.from_bytes(hmac.new(secret.to_bytes(32, "big"), digest, hashlib.sha256).digest(), "big") % N
    point = times(nonce)
    r = point[0] % N
    s = pow(nonce, -1, N) * (int.from_bytes(digest, "big") + r * secret) % N
    recovery = point[1] & 1
    if s > N // 2:
        s, recovery = N - s, recovery ^ 1
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([recovery])


def polymod(values):
    generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
    check = 1
    for v in values:
        top = check >> 25
        check = (check & 0x1ffffff) << 5 ^ v
        for i in range(5):
            check ^= generator[i] if top >> i & 1 else 0
    return check


def fives(data):
    """Bytes as groups of five bits, filled up with zeros."""
    bits = int.from_bytes(data, "big") << (-len(data) * 8 % 5)
    n = (len(data) * 8 + 4) // 5
    return [bits >> 5 * (n - 1 - i) & 31 for i in range(n)]


def number(value, n=None):
    n = n or max(1, (value.bit_length() + 4) // 5)
    return [value >> 5 * (n - 1 - i) & 31 for i in range(n)]


def field(letter, groups):
    return [CHARSET.index(letter), *number(len(groups), 2), *groups]


def amount(msat):
    if not msat:
        return ""
    for unit, letter in ((10**11, ""), (10**8, "m"), (10**5, "u"), (100, "n")):
        if msat % unit == 0:
            return f"{msat // unit}{letter}"
    return f"{msat * 10}p"


def encode(network, secret, payment_hash, payment_secret, msat, description, created, expiry, description_hash=None):
    human = "ln" + PREFIX[network] + amount(msat)
    data = number(created, 7) + field("p", fives(payment_hash)) + field("s", fives(payment_secret))
    data += field("h", fives(description_hash)) if description_hash else field("d", fives(description.encode()))
    data += field("x", number(expiry)) + field("c", number(18)) + field("9", number(1 << 8 | 1 << 14))
    bits = int("".join(f"{g:05b}" for g in data).ljust((len(data) * 5 + 7) // 8 * 8, "0"), 2)
    signed = human.encode() + bits.to_bytes((len(data) * 5 + 7) // 8, "big")
    data += fives(sign(secret, hashlib.sha256(signed).digest()))
    spread = [ord(c) >> 5 for c in human] + [0] + [ord(c) & 31 for c in human]
    check = polymod(spread + data + [0] * 6) ^ 1
    data += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return human + "1" + "".join(CHARSET[g] for g in data)


def public_key(secret):
    x, y = times(secret)
    return bytes([2 + (y & 1)]) + x.to_bytes(32, "big")
