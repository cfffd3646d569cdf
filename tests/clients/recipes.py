# SPDX-License-Identifier: Apache-2.0
"""The real AI clients: where each comes from, and how it is made to ask the fake service one thing
without a person. Data and small settings files only; run.py does the rest.

A recipe's `run(c)` gives the commands, each (argv, environment). `c` has: dir (the installed
packages), home (an empty home of its own), base (https://localhost:PORT), ca (PEM file), node, and
write(path below home, text). Every command runs with nothing else in its environment.
"""
import json
import os
import shutil
from dataclasses import dataclass, field
from typing import Callable

PROMPT = 'Say hello in one word.'
HERE = os.path.dirname(os.path.abspath(__file__))


@dataclass
class Recipe:
    name: str
    version: str
    run: Callable
    packages: list = field(default_factory=list)  # of npm
    debian: str = ''  # package that has it, for those not from npm
    http: str = '1.1'  # the HTTP version it speaks here
    wire: str = 'http'
    stack: str = ''  # the TLS library that carries its calls
    tool: str = ''  # catalog id it is to be recognised as; '' = none
    check: bool = False  # small enough for `make check`
    limit: int = 90  # seconds
    server: dict = field(default_factory=dict)  # settings of the fake service
    settles: float = 0  # seconds that something it leaves behind goes on


def modules(c, *parts):
    return os.path.join(c.dir, 'node_modules', *parts)


def env_openai(c, **more):
    return {'OPENAI_API_KEY': 'sk-fake', 'OPENAI_BASE_URL': c.base + '/v1', 'NODE_EXTRA_CA_CERTS': c.ca,
            'SSL_CERT_FILE': c.ca, **more}


# --- programs that only fetch ----------------------------------------------------------------------

BODY = json.dumps({'model': 'fetched', 'stream': True, 'stream_options': {'include_usage': True},
                   'messages': [{'role': 'user', 'content': PROMPT}]})


def curl(c):
    return [(['/usr/bin/curl', '-sS', '-N', '--cacert', c.ca, '-H', 'content-type: application/json', '-d', BODY,
              c.base + '/v1/chat/completions'], {})]


def curl_h1(c):
    (argv, env), = curl(c)
    return [([argv[0], '--http1.1', *argv[1:]], env)]


def wget(c):
    return [(['/usr/bin/wget', '-q', '-O', '-', f'--ca-certificate={c.ca}', '--header=content-type: application/json',
              f'--post-data={BODY}', c.base + '/v1/chat/completions'], {})]


def python_httpx(c):
    return [(['/usr/bin/python3', os.path.join(HERE, 'httpx_client.py'), c.base], {'SSL_CERT_FILE': c.ca})]


def go(c):
    if not os.path.exists(os.path.join(c.dir, 'goclient')):
        os.makedirs(c.dir, exist_ok=True)
        c.build(['/usr/bin/go', 'build', '-ldflags', '-s -w', '-o', os.path.join(c.dir, 'goclient'),
                 os.path.join(HERE, 'goclient.go')])
    return [([os.path.join(c.dir, 'goclient'), c.base], {'SSL_CERT_FILE': c.ca})]


def sdk(which, runtime):
    def run(c):
        src = os.path.join(c.dir, f'{which}.mjs')
        shutil.copy(os.path.join(HERE, f'{which}.mjs'), src)
        argv = {'node': [c.node, src], 'bun': [c.program('bun'), 'run', src],
                'deno': [c.program('deno'), 'run', '-A', '--no-remote', '--no-prompt', src]}[runtime]
        return [(argv, {'BASE': c.base, 'NODE_EXTRA_CA_CERTS': c.ca, 'DENO_CERT': c.ca, 'DENO_NO_UPDATE_CHECK': '1'})]
    return run


SDKS = ['openai@6.49.0', '@anthropic-ai/sdk@1.11.0']


# --- browsers --------------------------------------------------------------------------------------

def chromium(c):
    return [(['/usr/bin/chromium', '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
              '--disable-background-networking', '--disable-component-update', '--disable-sync',
              '--ignore-certificate-errors', f'--user-data-dir={c.home}/profile', '--virtual-time-budget=8000',
              '--dump-dom', c.base + '/page?model=chromium'], {})]


def firefox(c):
    profile = os.path.join(c.home, 'profile')
    os.makedirs(profile, exist_ok=True)
    c.write('profile/user.js', ''.join(f'user_pref("{k}", {json.dumps(v)});\n' for k, v in {
        'datareporting.policy.dataSubmissionEnabled': False, 'toolkit.telemetry.enabled': False,
        'browser.shell.checkDefaultBrowser': False, 'app.normandy.enabled': False,
        'network.captive-portal-service.enabled': False, 'network.connectivity-service.enabled': False}.items()))
    return [(['/usr/bin/certutil', '-N', '-d', 'sql:' + profile, '--empty-password'], {}),
            (['/usr/bin/certutil', '-A', '-d', 'sql:' + profile, '-n', 'test', '-t', 'C,,', '-i', c.ca], {}),
            (['/usr/bin/firefox-esr', '--headless', '--profile', profile, '--screenshot',
              os.path.join(c.home, 'shot.png'), c.base + '/page?model=firefox'], {})]


# --- coding agents ---------------------------------------------------------------------------------

def claude(path, node=False):
    def run(c):
        argv = ([c.node] if node else []) + [modules(c, *path), '-p', PROMPT]
        return [(argv, {'ANTHROPIC_BASE_URL': c.base, 'ANTHROPIC_API_KEY': 'sk-fake', 'NODE_EXTRA_CA_CERTS': c.ca,
                        'DISABLE_AUTOUPDATER': '1', 'DISABLE_TELEMETRY': '1', 'IS_SANDBOX': '1'})]
    return run


def codex(*path, websockets=False):
    def run(c):
        c.write('.codex/config.toml', f'''model = "fake-model"
model_provider = "fake"
[model_providers.fake]
name = "fake"
base_url = "{c.base}/v1"
env_key = "FAKE_KEY"
wire_api = "responses"
''' + ('supports_websockets = true\n' if websockets else ''))
        return [([modules(c, *path), 'exec', '--skip-git-repo-check', PROMPT],
                 {'FAKE_KEY': 'sk-fake', 'SSL_CERT_FILE': c.ca})]
    return run


def copilot(c):
    return [([modules(c, '@github', 'copilot-linux-x64', 'copilot'), '-p', PROMPT, '--allow-all-tools'],
             {'COPILOT_OFFLINE': 'true', 'COPILOT_AUTO_UPDATE': 'false', 'COPILOT_PROVIDER_BASE_URL': c.base + '/v1',
              'COPILOT_PROVIDER_API_KEY': 'sk-fake', 'COPILOT_MODEL': 'gpt-4.1', 'NODE_EXTRA_CA_CERTS': c.ca})]


def gemini(c):
    c.write('.gemini/settings.json', json.dumps({'security': {'auth': {'selectedType': 'gemini-api-key'}},
                                                 'privacy': {'usageStatisticsEnabled': False}}))
    return [([c.node, modules(c, '@google', 'gemini-cli', 'bundle', 'gemini.js'), '-p', PROMPT, '-m', 'gemini-2.5-flash'],
             {'GEMINI_API_KEY': 'sk-fake', 'GOOGLE_GEMINI_BASE_URL': c.base, 'NODE_EXTRA_CA_CERTS': c.ca,
              'GEMINI_CLI_TRUST_WORKSPACE': 'true'})]


def qwen(c):
    return [([c.node, modules(c, '@qwen-code', 'qwen-code', 'cli.js'), '-p', PROMPT, '--auth-type', 'openai'],
             env_openai(c, OPENAI_MODEL='fake-model'))]


def continue_cli(c):
    c.write('continue.yaml', f'''name: fake
version: 0.0.1
schema: v1
models:
  - name: fake
    provider: openai
    model: fake-model
    apiBase: {c.base}/v1
    apiKey: sk-fake
    roles: [chat]
''')
    return [([c.node, modules(c, '@continuedev', 'cli', 'dist', 'cn.js'), '--config',
              os.path.join(c.home, 'continue.yaml'), '-p', PROMPT], {'NODE_EXTRA_CA_CERTS': c.ca})]


def opencode_like(config, *path):
    def run(c):
        c.write(config, json.dumps({'provider': {'fake': {
            'npm': '@ai-sdk/openai-compatible', 'name': 'fake', 'options': {'baseURL': c.base + '/v1', 'apiKey': 'sk-fake'},
            'models': {'fake-model': {'name': 'fake'}}}}, 'autoupdate': False, 'share': 'disabled'}))
        return [([modules(c, *path), 'run', '-m', 'fake/fake-model', PROMPT], {'NODE_EXTRA_CA_CERTS': c.ca})]
    return run


def cline(c):
    exe = modules(c, '@cline', 'cli-linux-x64', 'bin', 'cline')
    env = {'NODE_EXTRA_CA_CERTS': c.ca}
    return [([exe, 'auth', '-p', 'openai-compatible', '-k', 'sk-fake', '-m', 'fake-model', '-b', c.base + '/v1'], env),
            ([exe, '-P', 'openai-compatible', '-m', 'fake-model', '-k', 'sk-fake', PROMPT], env)]


MUSL = ('vendor', 'x86_64-unknown-linux-musl')
BUNS = ['1.4.5', '1.4.0', '1.3.14', '1.2.23', '1.1.45']

RECIPES = [
    Recipe('curl', 'debian', curl, debian='curl', http='2', stack='openssl', check=True),
    Recipe('curl-http1', 'debian', curl_h1, debian='curl', stack='openssl', check=True),
    Recipe('wget', 'debian', wget, debian='wget', stack='gnutls', check=True),
    Recipe('python-httpx', 'debian', python_httpx, debian='python3-httpx', stack='openssl', check=True),
    Recipe('go', 'debian, stripped', go, debian='golang-go', http='2', stack='go', check=True),
    Recipe('openai-node', '6.49.0', sdk('openai', 'node'), SDKS, stack='openssl', check=True),
    Recipe('anthropic-node', '1.11.0', sdk('anthropic', 'node'), SDKS, stack='openssl', check=True),
    *[Recipe(f'openai-bun-{v}', '6.49.0', sdk('openai', 'bun'), [*SDKS, f'@oven/bun-linux-x64@{v}'],
             stack='boringssl', check=v == BUNS[0]) for v in BUNS],
    Recipe('anthropic-bun', '1.11.0', sdk('anthropic', 'bun'), [*SDKS, f'@oven/bun-linux-x64@{BUNS[0]}'],
           stack='boringssl'),
    Recipe('openai-deno', '2.9.6', sdk('openai', 'deno'), [*SDKS, '@deno/linux-x64-glibc@2.9.6'], http='2',
           stack='rustls-aws-lc', check=True),
    Recipe('chromium', 'debian', chromium, debian='chromium', http='2', stack='boringssl'),
    Recipe('firefox', 'debian', firefox, debian='firefox-esr libnss3-tools', http='2', stack='nss'),
    Recipe('claude', '2.1.329', claude(['@anthropic-ai', 'claude-code-linux-x64', 'claude']),
           ['@anthropic-ai/claude-code-linux-x64@2.1.329'], stack='boringssl', tool='claude_code'),
    Recipe('claude-node', '2.0.77', claude(['@anthropic-ai', 'claude-code', 'cli.js'], node=True),
           ['@anthropic-ai/claude-code@2.0.77'], stack='openssl', tool='claude_code'),
    Recipe('codex', '0.169.0', codex('@openai', 'codex-linux-x64', *MUSL, 'bin', 'codex'),
           ['@openai/codex@0.169.0'], http='2', stack='rustls-aws-lc', tool='codex_cli'),
    Recipe('codex-websocket', '0.169.0', codex('@openai', 'codex-linux-x64', *MUSL, 'bin', 'codex', websockets=True),
           ['@openai/codex@0.169.0'], wire='websocket', stack='rustls-aws-lc', tool='codex_cli'),
    Recipe('codex-ring', '0.131.0', codex('@openai', 'codex-linux-x64', *MUSL, 'codex', 'codex'), ['@openai/codex@0.131.0'],
           http='2', stack='rustls-ring', tool='codex_cli'),
    Recipe('codex-openssl', '0.99.0', codex('@openai', 'codex-linux-x64', *MUSL, 'codex', 'codex'), ['@openai/codex@0.99.0'],
           stack='openssl', tool='codex_cli'),
    Recipe('codex-openssl-old', '0.60.1', codex('@openai', 'codex', *MUSL, 'codex', 'codex'),
           ['@openai/codex@0.60.1'], stack='openssl', tool='codex_cli'),
    Recipe('copilot', '1.0.102', copilot, ['@github/copilot@1.0.102'], stack='openssl', tool='copilot_cli'),
    Recipe('gemini', '0.61.0', gemini, ['@google/gemini-cli@0.61.0'], stack='openssl', tool='gemini_cli'),
    Recipe('opencode', '1.18.33', opencode_like('.config/opencode/opencode.json', 'opencode-linux-x64', 'bin', 'opencode'),
           ['opencode-ai@1.18.33'], stack='boringssl', tool='opencode'),
    Recipe('kilo', '7.7.9', opencode_like('.config/kilo/kilo.json', '@kilocode', 'cli-linux-x64', 'bin', 'kilo'),
           ['@kilocode/cli-linux-x64@7.7.9'], stack='boringssl', tool='kilo_code'),
    Recipe('cline', '3.0.65', cline, ['@cline/cli-linux-x64@3.0.65'], stack='boringssl', tool='cline', settles=3),
    Recipe('qwen', '0.15.10', qwen, ['@qwen-code/qwen-code@0.15.10'], stack='openssl', tool='qwen_code'),
    Recipe('continue', '1.5.47', continue_cli, ['@continuedev/cli@1.5.47'], stack='openssl', tool='continue'),
]
