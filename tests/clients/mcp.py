# SPDX-License-Identifier: Apache-2.0
"""Real AI clients that call tools of real tool servers (Model Context Protocol): how each is told of
the servers, and how its records are compared with what the servers say they were asked.

Servers, the same for every client: `files` (server-filesystem) and `every` (server-everything) over
standard input and output, `web` (server-everything) over streamable HTTP. The fake service asks for
the steps of PLAN one after the other. mcp_log.cjs, loaded into each server, writes what passes.

A recipe's `run(c)` is that of recipes.py; c.servers is {name: {command, args, env} or {url}}.
"""
import dataclasses
import json
import os
import socket
import subprocess

import lib
import recipes
from recipes import PROMPT, MUSL, Recipe, env_openai, modules

HERE = os.path.dirname(os.path.abspath(__file__))
SERVERS = os.path.join(os.path.realpath(lib.BUILD), 'npm', 'node_modules', '@modelcontextprotocol')
FILES = os.path.join(SERVERS, 'server-filesystem', 'dist', 'index.js')
EVERYTHING = os.path.join(SERVERS, 'server-everything', 'dist', 'index.js')
HOOK = ['--require', os.path.join(HERE, 'mcp_log.cjs')]
NAMES = {'files': 'secure-filesystem-server', 'every': 'mcp-servers/everything', 'web': 'mcp-servers/everything'}


def plan(file):
    """Server and tool of each step; clients put the server's name before the tool's, each its own way."""
    steps = [('files', 'get_file_info', {'path': file}), ('files', 'read_text_file', {'path': file}),
             ('every', 'echo', {'message': 'from a pipe'}), ('every', 'get-sum', {'a': 2, 'b': 3}),
             ('web', 'echo', {'message': 'from the web'}), ('web', 'get-sum', {'a': 4, 'b': 5})]
    return [{'tool': f'{server}.*{tool.replace("-", "[-_]")}$', 'arguments': a} for server, tool, a in steps]


# --- how clients are told of servers ---------------------------------------------------------------

def stdio(c):
    return {k: v for k, v in c.servers.items() if 'url' not in v}


def web(c):
    return {k: v for k, v in c.servers.items() if 'url' in v}


def claude(path, node=False):
    def run(c):
        c.write('mcp.json', json.dumps({'mcpServers': {**stdio(c), **{k: {'type': 'http', **v} for k, v in web(c).items()}}}))
        (argv, env), = recipes.claude(path, node)(c)
        return [([*argv, '--mcp-config', os.path.join(c.home, 'mcp.json'), '--strict-mcp-config',
                  '--allowedTools', *(f'mcp__{s}' for s in c.servers)], env)]
    return run


def codex(*path):
    def run(c):
        made = recipes.codex(*path)(c)
        with open(os.path.join(c.home, '.codex', 'config.toml'), 'a', encoding='utf-8') as f:
            for name, s in c.servers.items():
                f.write(f'[mcp_servers.{name}]\n')
                f.writelines(f'{k} = {json.dumps(v)}\n' for k, v in s.items() if k != 'env')
                f.write('default_tools_approval_mode = "approve"\n')
                if s.get('env'):
                    f.write(f'[mcp_servers.{name}.env]\n' + ''.join(f'{k} = {json.dumps(v)}\n' for k, v in s['env'].items()))
        (argv, env), = made
        return [([argv[0], 'exec', '--dangerously-bypass-approvals-and-sandbox', *argv[2:]], env)]
    return run


def merged(c, name, more):
    """Adds to a settings file the recipe has written."""
    with open(os.path.join(c.home, name), encoding='utf-8') as f:
        c.write(name, json.dumps({**json.load(f), **more}))


def gemini(c):
    made = recipes.gemini(c)
    merged(c, '.gemini/settings.json', {'mcpServers': {**{k: {**v, 'trust': True} for k, v in stdio(c).items()},
                                                       **{k: {'httpUrl': v['url'], 'trust': True} for k, v in web(c).items()}}})
    return [([*argv, '--yolo'], env) for argv, env in made]


def qwen(c):
    c.write('.qwen/settings.json', json.dumps({'mcpServers': {
        **{k: {**v, 'trust': True} for k, v in stdio(c).items()},
        **{k: {'httpUrl': v['url'], 'trust': True} for k, v in web(c).items()}}}))
    return [([*argv, '--yolo'], env) for argv, env in recipes.qwen(c)]


def copilot(c):
    config = {'mcpServers': {**{k: {'type': 'local', 'tools': ['*'], **v} for k, v in stdio(c).items()},
                             **{k: {'type': 'http', 'tools': ['*'], **v} for k, v in web(c).items()}}}
    c.write('.copilot/mcp-config.json', json.dumps(config))
    return recipes.copilot(c)


def opencode_like(config, *path):
    def run(c):
        made = recipes.opencode_like(config, *path)(c)
        merged(c, config, {'permission': {'*': 'allow'}, 'mcp': {
            **{k: {'type': 'local', 'command': [v['command'], *v['args']], 'environment': v['env'], 'enabled': True}
               for k, v in stdio(c).items()},
            **{k: {'type': 'remote', 'enabled': True, 'oauth': False, **v} for k, v in web(c).items()}}})
        return made
    return run


def cline(c):
    config = json.dumps({'mcpServers': {
        **{k: {'type': 'stdio', 'disabled': False, **v} for k, v in stdio(c).items()},
        **{k: {'type': 'streamableHttp', 'disabled': False, **v} for k, v in web(c).items()}}})
    c.write('.cline/data/settings/cline_mcp_settings.json', config)
    made = recipes.cline(c)
    return [made[0], ([*made[1][0][:1], '--yolo', *made[1][0][1:]], made[1][1])]


def _of(name, run, check=False, **more):
    """The recipe of that name, told of servers. `check` takes one of each kind of channel."""
    r = next(r for r in recipes.RECIPES if r.name == name)
    return dataclasses.replace(r, run=run, check=check, **more)


RECIPES = [
    _of('claude', claude(['@anthropic-ai', 'claude-code-linux-x64', 'claude'])),
    _of('claude-node', claude(['@anthropic-ai', 'claude-code', 'cli.js'], node=True), check=True),
    _of('codex', codex('@openai', 'codex-linux-x64', *MUSL, 'bin', 'codex'), check=True),
    _of('copilot', copilot),
    _of('gemini', gemini),
    _of('opencode', opencode_like('.config/opencode/opencode.json', 'opencode-linux-x64', 'bin', 'opencode')),
    _of('kilo', opencode_like('.config/kilo/kilo.json', '@kilocode', 'cli-linux-x64', 'bin', 'kilo')),
    _of('cline', cline, limit=40),  # does not end by itself
    _of('qwen', qwen),
]


# --- servers ----------------------------------------------------------------------------------------

class Servers:
    """The folder they serve, the one that listens, and what each says it was asked."""

    def __init__(self, netns):
        os.makedirs(lib.path('served'), exist_ok=True)
        self.file = lib.write('served/one.txt', 'the text of the file\n')
        self.plan = plan(self.file)
        self.weblog = lib.path('mcp-web.jsonl')
        port = lib.free_port()
        self.url = f'http://127.0.0.1:{port}/mcp'
        self.process = lib.spawn(['ip', 'netns', 'exec', netns, lib.NODE, *HOOK, EVERYTHING, 'streamableHttp'],
                                 env=lib.clean_env(PORT=str(port), **self.env(self.weblog)), stdin=subprocess.DEVNULL,
                                 stdout=open(lib.path('mcp-web.log'), 'wb'), stderr=subprocess.STDOUT, cwd=lib.work)
        lib.wait_for(lambda: 'istening' in lib.read('mcp-web.log'), 20)

    @staticmethod
    def env(log):
        return {'MCP_LOG': log}

    def log(self, name):
        return lib.path(f'mcp-{name}.jsonl')

    def of(self, name):
        env = self.env(self.log(name))
        return {'files': {'command': lib.NODE, 'args': [*HOOK, FILES, lib.path('served')], 'env': env},
                'every': {'command': lib.NODE, 'args': [*HOOK, EVERYTHING, 'stdio'], 'env': env}, 'web': {'url': self.url}}

    def asked(self, name, weblog_from):
        """What the servers were asked in one run: tools/call with the answer's size, in order."""
        lines = []
        for f, start in ((self.log(name), 0), (self.weblog, weblog_from)):
            if os.path.exists(f):
                with open(f, encoding='utf-8') as log:
                    log.seek(start)
                    lines += lib.json_lines(log.read())
        answers = {(line['pid'], str(line['message'].get('id'))): line for line in lines
                   if line['dir'] == 'out' and 'method' not in line['message']}
        return [{'pid': line['pid'], 'via': line['via'], 'id': str(line['message']['id']), 'bytes': line['bytes'],
                 'tool': line['message']['params']['name'], 'arguments': line['message']['params'].get('arguments'),
                 'answer': answers.get((line['pid'], str(line['message']['id'])))}
                for line in lines if line['dir'] == 'in' and line['message'].get('method') == 'tools/call']


# --- comparing ----------------------------------------------------------------------------------------

def record_of(call, records):
    """The records of one request; over stdio the server's process tells servers apart."""
    return [c for c in records if c['request_id'] == call['id'] and c['tool_name'] == call['tool'] and
            (c.get('server', {}).get('pid') == call['pid'] if call['via'] == 'stdio'
             else c['transport'] == 'http' and c['request_bytes'] == call['bytes'])]


def tool_use_of(call, given):
    """Takes the tool_use out of those the service gave that asked for this: by name and arguments."""
    wanted = [g for g in given if g['arguments'] == call['arguments'] and
              g['name'].replace('_', '-').endswith(call['tool'].replace('_', '-'))]
    if wanted:
        given.remove(wanted[0])
    return wanted[0] if wanted else None


def differences(call, found, use, seen):
    if len(found) != 1:
        return [f'{call["via"]} {call["tool"]} {call["id"]}: {len(found)} records']
    c = found[0]
    want = {'answered': True, 'completeness': 'complete', 'request_bytes': call['bytes']}
    if not use or seen(use):
        want['tool_use_name'] = use and use['name']
        want['tool_use_id'] = use and use['id'] or c.get('tool_use_id')  # Gemini gives none
    if call['answer']:  # what is sent over HTTP is not in the log
        want['response_bytes'] = call['answer']['bytes']
        want['is_error'] = bool(call['answer']['message'].get('result', {}).get('isError'))
    return [f'{call["tool"]} {call["id"]}: {k} {c.get(k)!r}, not {v!r}' for k, v in want.items() if c.get(k) != v] + \
        [f'{call["tool"]}: no server name' for _ in [0] if c.get('server_name') not in NAMES.values()]


def compare(calls, given, records, tool, seen):
    rows, left = [], list(given)
    for call in calls:
        found = record_of(call, records)
        rows.append((call, found, tool_use_of(call, left)))
    differs = [d for row in rows for d in differences(*row, seen)]
    known = {id(c) for _, found, _ in rows for c in found}
    return rows, differs, [c for c in records if id(c) not in known and (c.get('tool') or {}).get('id') == tool]


def one(r, place, when, servers, run_client, fake, agent):
    """Runs one client; its row of the table. An answer of the model that came before the probes cannot be
    linked to (how often that is, the other table says), if a record of that client says so."""
    before, known = len(fake.requests()), {c['seq'] for c in agent.calls(kind='mcp_call')}
    known_calls = {c['seq'] for c in agent.calls()}
    weblog = os.path.getsize(servers.weblog) if os.path.exists(servers.weblog) else 0
    if os.path.exists(servers.log(r.name)):
        os.remove(servers.log(r.name))
    place.servers = servers.of(r.name)
    status, said = run_client(r, place)
    calls = servers.asked(r.name, weblog)
    given = [{**t, 'answer': q['answered'].get('id')} for q in fake.requests()[before:]
             for t in (q['answered'] or {}).get('tool_calls') or []]

    def fresh():
        return [c for c in agent.calls(kind='mcp_call') if c['seq'] not in known and c['method'] == 'tools/call']
    lib.wait_for(lambda: len(fresh()) >= len(calls), 8)
    def unseen():
        return missing and not any(c.get('completeness') == 'late-attach' and c['seq'] not in known_calls for c in agent.calls())
    missing = {g['answer'] for g in given} - {c.get('response_id') for c in agent.calls()}
    if lib.wait_for(lambda: not unseen(), 5) is not True:
        missing = set()  # silently: then they are differences
    rows, differs, over = compare(calls, given, fresh(), r.tool,
                                  lambda use: use['answer'] not in missing)
    differs += [f'a record of nothing: {c.get("tool_name")} {c.get("request_id")}' for c in over]
    taken = [f[0] for _, f, _ in rows if f]
    row = {'client': r.name, 'version': r.version, 'run': when, 'exit': status, 'asked for': len(given), 'calls': len(calls),
           'recorded': len(taken), 'linked': sum(1 for _, f, u in rows if f and u and f[0].get('tool_use_name') == u['name']),
           'transport': ','.join(sorted({c['transport'] for c in taken})),
           'link': ','.join(sorted({c.get('tool_use_link', '') for c in taken})),
           'named': ','.join(sorted({c.get('tool_use_name', '') for c in taken if c.get('tool_name') == 'echo'})),
           'late': len(missing), 'differs': differs}
    row['holds'] = len(calls) > 0 and not differs
    if not row['holds'] or status:
        row['said'] = said
    return row


COLUMNS = ('client', 'version', 'run', 'transport', 'calls', 'recorded', 'linked', 'late', 'link', 'named')


def explain(row):
    text = [f'{row["client"]} ({row["run"]}): exit {row["exit"]}, {row["asked for"]} tool uses, {row["calls"]} calls at the servers '
            f'({row["transport"]}), {row["recorded"]} recorded, {row["linked"]} linked']
    text += [f'  differs: {d}' for d in row['differs'][:8]]
    if not row['holds']:
        text.append('  the client said: ' + row.get('said', '')[-600:])
    return '\n'.join(text)
