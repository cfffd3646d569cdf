#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An agent that runs a tool as soon as it has read in the model's streamed answer that the call is complete,
before the answer is over: the shortest way there is. Settings as JSON in HASTY_AGENT: {ca, port, host, model, tool,
argv, times: each in a process of its own, tty: with a controlling terminal}. Prints one JSON line each:
{pid, code, out, ms: from the last read to the tool's end}, a signal as a negative code; {error}."""
import json
import os
import pty
import socket
import ssl
import subprocess
import sys
import time

SET = json.loads(os.environ['HASTY_AGENT'])


def ask():
    ctx = ssl.create_default_context(cafile=SET['ca'])
    s = ctx.wrap_socket(socket.create_connection(('127.0.0.1', SET['port']), 10), server_hostname=SET['host'])
    body = json.dumps({'model': SET['model'], 'stream': True, 'messages': [{'role': 'user', 'content': 'do it'}], 'tools': [
        {'type': 'function', 'function': {'name': SET['tool'], 'parameters': {'type': 'object'}}}]}).encode()
    s.sendall(f'POST /v1/chat/completions HTTP/1.1\r\nHost: {SET["host"]}\r\nContent-Type: application/json\r\n'
              f'Content-Length: {len(body)}\r\n\r\n'.encode() + body)
    seen = b''
    while SET['tool'].encode() not in seen or b'"finish_reason":"tool_calls"' not in seen:
        got = s.recv(65536)
        if not got:
            raise OSError(f'no tool was asked for: {seen[-300:]}')
        seen += got
    return s


def once():
    try:
        s = ask()
        begun = time.monotonic()
        r = subprocess.run(SET['argv'], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
        took = (time.monotonic() - begun) * 1000
        time.sleep(SET.get('stay', 0))
        s.close()
        return {'pid': os.getpid(), 'code': r.returncode, 'out': r.stdout.decode(), 'ms': took}
    except OSError as e:
        return {'error': str(e), 'code': e.errno}


for _ in range(SET['times']):
    said, say = os.pipe()
    pid, fd = pty.fork() if SET.get('tty') else (os.fork(), -1)
    if not pid:
        os.write(say, json.dumps(once()).encode())
        os._exit(0)
    os.close(say)
    with os.fdopen(said) as f:
        print(f.read(), flush=True)
    os.waitpid(pid, 0)
    if fd >= 0:
        os.close(fd)
sys.exit(0)
