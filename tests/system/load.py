#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many short AI calls, one after the other, each with a model name of its own.

usage: load.py HOST PORT CA PREFIX PAUSE. Connections live for one to six calls; half of the
calls are streamed; some requests go out in two writes. Begins at a line on stdin, goes on to the end
of stdin, and ends with one JSON line: how many calls had a whole answer, and what went wrong with the
others.
"""
import http.client
import json
import random
import select
import socket
import ssl
import sys
import time

host, port, ca, prefix = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
pause = float(sys.argv[5])
context = ssl.create_default_context(cafile=ca)
chance = random.Random(prefix)
whole, wrong = 0, []


class Connection(http.client.HTTPSConnection):
    def connect(self):
        self.sock = context.wrap_socket(socket.create_connection(('127.0.0.1', port), 20),
                                        server_hostname=host)


def call(c, model):
    body = json.dumps({'model': model, 'stream': chance.random() < 0.5, 'messages': [
        {'role': 'user', 'content': 'x' * chance.choice((10, 10, 10, 3000))}]}).encode()
    c.putrequest('POST', '/v1/chat/completions')
    c.putheader('content-type', 'application/json')
    c.putheader('content-length', str(len(body)))
    if chance.random() < 0.3:
        c.endheaders()  # head and body in two writes
        c.send(body)
    else:
        c.endheaders(body)
    answer = c.getresponse()
    if answer.status != 200 or not answer.read():
        raise OSError(f'status {answer.status}')


sys.stdin.readline()
n = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    connection = Connection(host, port)
    for _ in range(chance.randint(1, 6)):
        n += 1
        try:
            call(connection, f'{prefix}{n}')
            whole += 1
        except (OSError, http.client.HTTPException) as e:
            wrong.append(f'{prefix}{n}: {e!r}')
            break
        time.sleep(pause * chance.random() * 2)
    connection.close()
print(json.dumps({'calls': n, 'whole': whole, 'wrong': wrong}))
