#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An MCP client without a library, over pipes (asyncio's subprocess). As mcp_client.mjs: settings in
MCP_TEST, one JSON line per message sent. {method, id, bytes, tool, ...} With pause_ms: what each tool
answered, {answered, said}, and a pause after it."""
import asyncio
import hashlib
import http.client
import json
import os
import socket
import ssl

settings = json.loads(os.environ['MCP_TEST'])


def say(**line):
    print(json.dumps(line), flush=True)


def ask(tool=None):
    """One call of the model; the id of the tool it wants."""
    body = {'model': settings['model'], 'messages': [{'role': 'user', 'content': 'go on'}]}
    if tool:
        body['tools'] = [{'type': 'function', 'function': {'name': tool, 'parameters': {'type': 'object'}}}]
    text = json.dumps(body).encode()
    head = (f'POST /v1/chat/completions HTTP/1.1\r\nhost: {settings["host"]}\r\nconnection: close\r\n'
            f'content-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n').encode()
    context = ssl.create_default_context(cafile=settings['ca'])
    with socket.create_connection(('127.0.0.1', settings['port'])) as tcp, \
            context.wrap_socket(tcp, server_hostname=settings['host']) as tls:
        tls.sendall(head + text)
        answer = http.client.HTTPResponse(tls, method='POST')
        answer.begin()
        calls = json.loads(answer.read())['choices'][0]['message'].get('tool_calls')
    return calls and calls[0]['id']


class Server:
    def __init__(self, process):
        self.process, self.next = process, 0

    async def send(self, method, params=None, request=True, tool_use=None):
        message = {'jsonrpc': '2.0', 'method': method, **({'params': params} if params is not None else {})}
        if request:
            # Ids may be texts, and number-like texts are not numbers.
            message['id'] = str(self.next) if settings.get('text_ids') else self.next
            self.next += 1
        text = json.dumps(message)
        given = json.dumps(params['arguments']).encode() if params and 'arguments' in params else b''
        say(method=method, id=message.get('id'), bytes=len(text.encode()), tool=(params or {}).get('name'),
            arguments_bytes=len(given), arguments_sha256=hashlib.sha256(given).hexdigest() if given else None,
            tool_use=tool_use)
        data = (text + '\n').encode()
        for at in range(0, len(data), settings.get('split') or len(data)):
            self.process.stdin.write(data[at:at + (settings.get('split') or len(data))])
            await self.process.stdin.drain()
        while request:
            answer = json.loads(await self.process.stdout.readline())
            if answer.get('id') == message['id'] and 'method' not in answer:
                return answer
        return None


async def main():
    if not settings.get('late'):
        ask()
        await asyncio.sleep(settings['wait_ms'] / 1000)
    server = Server(await asyncio.create_subprocess_exec(
        settings['command'], *settings['args'], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, limit=1 << 25))
    await server.send('initialize', {'protocolVersion': '2025-06-18', 'capabilities': {},
                                     'clientInfo': {'name': 'probity-test-python', 'version': '1'}})
    await server.send('notifications/initialized', request=False)
    await server.send('tools/list', {})
    if settings.get('late'):
        ask()
        await asyncio.sleep(settings['wait_ms'] / 1000)
    for call in settings['calls']:
        use = ask(call.get('offer') or call['tool'])
        params = {'name': call['tool'], 'arguments': call['arguments']}
        if call.get('fill'):  # too long for the environment
            params['arguments'][call['fill']] = 'y' * call['bytes']
        if call.get('meta'):
            params['_meta'] = {call['meta']: use}
        answer = await server.send('tools/call', params, tool_use=use)
        if settings.get('pause_ms'):
            said = [part.get('text', '') for part in answer.get('result', {}).get('content', [])]
            say(answered=call['tool'], said=''.join(said)[:200])
            await asyncio.sleep(settings['pause_ms'] / 1000)
    await asyncio.sleep(0.1)
    server.process.stdin.close()
    await server.process.wait()


asyncio.run(main())
say(done=True, pid=os.getpid())
