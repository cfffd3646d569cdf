# SPDX-License-Identifier: Apache-2.0
"""One streamed chat completion, by httpx. Argument: the service."""
import os
import sys

import httpx

with httpx.Client(verify=os.environ['SSL_CERT_FILE']) as client:
    with client.stream('POST', sys.argv[1] + '/v1/chat/completions', json={
            'model': 'httpx', 'stream': True, 'stream_options': {'include_usage': True},
            'messages': [{'role': 'user', 'content': 'Say hello.'}]}) as answer:
        print(''.join(answer.iter_text()))
