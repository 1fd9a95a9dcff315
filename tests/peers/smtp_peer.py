"""A mail server of somebody else's making (aiosmtpd) for the bot's e-mails: in the clear, with STARTTLS and a password, and
with TLS from the start, by a certificate that was made for this run.

Usage: smtp_peer.py FOLDER. Prints its ports as JSON; writes FOLDER/ca.pem, and each letter that it takes as a line of
FOLDER/letters.jsonl; ends with its standard input. Some recipients are special: see Handler.
"""

import asyncio
import email
import email.policy
import json
import pathlib
import ssl
import sys

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = b"firebell", b"p@ss/w:rd+1"

folder = pathlib.Path(sys.argv[1])
ca = trustme.CA()
ca.cert_pem.write_to_path(folder / "ca.pem")


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(made)
    return made


class Handler:
    def __init__(self):
        self.lost = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        who = address.split("@")[0]
        if who == "greylisted":
            return "451 4.7.1 Greylisted, try again later"
        if who == "nobody":
            return "550 5.1.1 <%s>: no such user" % address
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in letter.walk() if not part.is_multipart()}
        taken = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": {name: str(value) for name, value in letter.items()},
            "defects": [repr(it) for it in letter.defects],
            "parts": parts,
            "tls": session.ssl is not None,
            "authenticated": session.authenticated,
        }
        with open(folder / "letters.jsonl", "a", encoding="utf-8") as out:
            out.write(json.dumps(taken) + "\n")
        who = envelope.rcpt_tos[0].split("@")[0]
        if who == "lost" and who not in self.lost:
            self.lost.add(who)
            server.transport.abort()  # the letter is taken, and nobody is told
        return "250 2.0.0 OK: queued as 4F3A"

    async def handle_QUIT(self, server, session, envelope):
        if session.peer and getattr(session, "stays", False):
            await asyncio.sleep(3600)
        return "221 2.0.0 Bye"

    async def handle_MAIL(self, server, session, envelope, address, options):
        # Whoever writes from here is never let go.
        session.stays = address.startswith("stays@")
        envelope.mail_from = address
        return "250 2.1.0 OK"


def authenticator(server, session, envelope, mechanism, data):
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER, PASSWORD)
    return AuthResult(success=known, handled=False if not known else True)


async def silent(reader, writer):
    """Takes connections and says nothing, ever."""
    await asyncio.sleep(3600)


async def main():
    loop = asyncio.get_running_loop()
    handler = Handler()
    login = {"authenticator": authenticator, "auth_required": True}

    async def serve(ssl_context=None, **options):
        server = await loop.create_server(lambda: SMTP(handler, hostname="mail.test", **options), "127.0.0.1", 0, ssl=ssl_context)
        return server.sockets[0].getsockname()[1]

    ports = {
        "plain": await serve(),
        "starttls": await serve(tls_context=context(), require_starttls=True, **login),
        "smtps": await serve(ssl_context=context(), auth_require_tls=False, **login),
        "without_tls": await serve(auth_require_tls=False, **login),
        "silent": (await asyncio.start_server(silent, "127.0.0.1", 0)).sockets[0].getsockname()[1],
    }
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
