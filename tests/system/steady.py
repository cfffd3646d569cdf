#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A client that stays: one connection per host, kept and used again. steady.py PORT NAME. Each line in is
{"host", "model"}, and gets one line out: {"status"} or {"error"}, {"ms"}, and whether the connection was
{"new"}. NAME is the user agent. Certificates are not checked: what is counted is who was reached.
"""
import http.client
import json
import socket
import ssl
import sys
import time

PORT, NAME = int(sys.argv[1]), sys.argv[2]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
kept = {}


class Connection(http.client.HTTPSConnection):
    """To this host under any name."""

    def connect(self):
        raw = socket.create_connection(('127.0.0.1', PORT), self.timeout)
        self.sock = context.wrap_socket(raw, server_hostname=self.host)


def call(host, model):
    fresh = host not in kept
    c = kept.setdefault(host, Connection(host, timeout=8))
    body = json.dumps({'model': model, 'messages': [{'role': 'user', 'content': 'is anybody there?'}]})
    try:
        c.request('POST', '/v1/chat/completions', body,
                  {'Content-Type': 'application/json', 'User-Agent': NAME})
        answer = c.getresponse()
        answer.read()
        if answer.will_close:
            kept.pop(host).close()
        return {'status': answer.status, 'new': fresh}
    except (OSError, http.client.HTTPException) as e:
        kept.pop(host).close()
        return {'error': f'{type(e).__name__}: {e}'[:200], 'new': fresh}


print(json.dumps({'ready': True}), flush=True)
for line in sys.stdin:
    began = time.monotonic()
    got = call(**json.loads(line))
    got['ms'] = round((time.monotonic() - began) * 1000)
    print(json.dumps(got), flush=True)
