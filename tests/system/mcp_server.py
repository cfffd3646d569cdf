#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A tool server without a library, over stdio, that no catalog knows. Tools: read {path}, write
{path}, run {argv}, connect {port}, slow {ms}. usage: mcp_server.py [dup]: with it, its standard input
and output are read and written by duplicates, as servers do that guard theirs against the code they run."""
import json
import os
import socket
import subprocess
import sys
import time

if 'dup' in sys.argv:
    lines, out = os.fdopen(os.dup(0), 'rb'), os.fdopen(os.dup(1), 'wb')
    os.dup2(os.open('/dev/null', os.O_RDWR), 0)
    os.dup2(2, 1)
else:
    lines, out = sys.stdin.buffer, sys.stdout.buffer


def tool(name, args):
    if name == 'read':
        with open(args['path'], encoding='utf-8') as f:
            return f.read()
    if name == 'write':
        with open(args['path'], 'w', encoding='utf-8') as f:
            return str(f.write('written'))
    if name == 'run':
        r = subprocess.run(args['argv'], capture_output=True, text=True, check=False)
        return r.stdout if r.returncode >= 0 else f'signal {-r.returncode}'
    if name == 'connect':
        socket.create_connection(('127.0.0.1', args['port'])).close()
        return 'connected'
    if name == 'slow':
        time.sleep(args['ms'] / 1000)
        return 'slept'
    raise ValueError(name)


def answer(ask):
    if ask['method'] == 'initialize':
        return {'protocolVersion': ask['params']['protocolVersion'], 'capabilities': {'tools': {}},
                'serverInfo': {'name': 'probity-test-server', 'version': '9'}}
    if ask['method'] == 'tools/list':
        return {'tools': [{'name': n, 'inputSchema': {'type': 'object'}} for n in ('read', 'write', 'run', 'connect', 'slow')]}
    try:
        return {'content': [{'type': 'text', 'text': tool(ask['params']['name'], ask['params']['arguments'])}]}
    except (OSError, ValueError) as e:
        return {'content': [{'type': 'text', 'text': str(e)}], 'isError': True}


sys.stderr.close()
for line in lines:
    message = json.loads(line)
    if 'id' in message:
        out.write(json.dumps({'jsonrpc': '2.0', 'id': message['id'], 'result': answer(message)}).encode() + b'\n')
        out.flush()
