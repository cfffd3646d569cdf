# SPDX-License-Identifier: Apache-2.0
"""Python clients for the system tests. usage: client.py HOW PORT CA, calls as JSON on stdin:
[{"host", "path", "body", "headers", "sleep", "before"}]. Prints one JSON line per call: {"status", "bytes"}.

  http    http.client, one kept-alive connection for calls to the same host
  small   the same, but request line, headers and body leave in writes of a few bytes
  urllib  urllib.request
  httpx   httpx.Client
  threads http.client, all calls at once, each on a connection of its own
  other   http, after the process has become user 65534 without an exec, 0.4 s after its start

Every name resolves to 127.0.0.1. A body {"fill": N, ...} gets a message of N bytes. sleep: seconds
before the call (urllib). before: methods of other requests on the same, new connection (http).
"""
import http.client
import json
import os
import socket
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request

how, port, ca = sys.argv[1], int(sys.argv[2]), sys.argv[3]
tls = ssl.create_default_context(cafile=ca)
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: resolve('127.0.0.1', *rest, **more)


def said(status, body):
    print(json.dumps({'status': status, 'bytes': len(body)}), flush=True)


def head(call):
    return {'Content-Type': 'application/json', 'Authorization': 'Bearer none', **call.get('headers', {})}


def read(answer):
    try:
        return answer.read()
    except (http.client.IncompleteRead, ConnectionError, ssl.SSLError) as e:
        return getattr(e, 'partial', b'')


def with_http(calls):
    conn, host = None, None
    for call in calls:
        if call['host'] != host or 'before' in call:
            host = call['host']
            conn = http.client.HTTPSConnection(host, port, context=tls, timeout=30)
        for method in call.get('before', []):
            conn.request(method, '/api/hello')
            read(conn.getresponse())
        conn.request('POST', call['path'], call['body'].encode(), head(call))
        answer = conn.getresponse()
        said(answer.status, read(answer))


def as_other_user(calls):
    time.sleep(0.4)  # whoever looks at new processes has seen root by now
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    with_http(calls)


def with_small_writes(calls):
    for call in calls:
        body = call['body'].encode()
        lines = [f'POST {call["path"]} HTTP/1.1', f'Host: {call["host"]}:{port}',
                 f'Content-Length: {len(body)}', 'Connection: close']
        lines += [f'{k}: {v}' for k, v in head(call).items()]
        whole = '\r\n'.join([*lines, '', '']).encode() + body
        with socket.create_connection((call['host'], port)) as raw:
            with tls.wrap_socket(raw, server_hostname=call['host']) as s:
                for i in range(0, len(whole), 7):
                    s.sendall(whole[i:i + 7])
                answer = http.client.HTTPResponse(s)
                answer.begin()
                said(answer.status, read(answer))


def with_urllib(calls):
    for call in calls:
        time.sleep(call.get('sleep', 0))
        ask = urllib.request.Request(f'https://{call["host"]}:{port}{call["path"]}',
                                     call['body'].encode(), head(call))
        try:
            with urllib.request.urlopen(ask, context=tls, timeout=30) as answer:
                said(answer.status, read(answer))
        except urllib.error.HTTPError as e:
            said(e.code, e.read())


def with_httpx(calls):
    import httpx
    with httpx.Client(verify=tls, timeout=30) as client:
        for call in calls:
            answer = client.post(f'https://{call["host"]}:{port}{call["path"]}', content=call['body'],
                                 headers=head(call))
            said(answer.status_code, answer.content)


def with_threads(calls):
    every = [threading.Thread(target=with_http, args=([call],)) for call in calls]
    for t in every:
        t.start()
    for t in every:
        t.join()


def main():
    calls = json.load(sys.stdin)
    for call in calls:
        if isinstance(call['body'], dict):
            fill = call['body'].pop('fill', 0)
            if fill:
                call['body']['messages'] = [{'role': 'user', 'content': 'all work and no play ' * (fill // 21)}]
            call['body'] = json.dumps(call['body'])
    {'http': with_http, 'small': with_small_writes, 'urllib': with_urllib, 'httpx': with_httpx,
     'threads': with_threads, 'other': as_other_user}[how](calls)


main()
