# SPDX-License-Identifier: Apache-2.0
"""What the system tests of the agent share: TAP, a folder of their own, the fake AI service, the
agent, and the records. Every process that is started is known by its pid and ended by it, also when
the test dies or is stopped. Nothing here knows what a case expects.
"""
import atexit
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get('BUILD') or os.path.join(TOP, 'build')
PYTHON = '/usr/bin/python3'
NODE = os.path.realpath(shutil.which('node') or '/usr/bin/node')
OPENAI, ANTHROPIC = 'api.openai.com', 'api.anthropic.com'
GEMINI, SHADOW = 'generativelanguage.googleapis.com', 'ai.shadow.example'


SLOWEST = 6  # how much slower than a quiet machine one may be on which the tests still must hold


# --- TAP ---------------------------------------------------------------------------------------

_count = _failed = 0


def ok(name, holds, why=''):
    """One case. `why` is shown when it does not hold."""
    global _count, _failed
    _count += 1
    _failed += not holds
    print(f'{"ok" if holds else "not ok"} {_count} - {name}', flush=True)
    if not holds and why != '':
        for line in str(why).splitlines() or ['']:
            print(f'#   {line[:1500]}', flush=True)
    return bool(holds)


def same(name, got, want):
    return ok(name, got == want, f'got  {got!r}\nwant {want!r}')


def skip(name, why):
    global _count
    _count += 1
    print(f'ok {_count} - {name} # SKIP {why}', flush=True)


def done():
    """Prints the plan; the exit status is that of the test."""
    for log in sorted(glob.glob(path('*.log'))) if _failed else []:
        with open(log, encoding='utf-8', errors='replace') as f:
            for line in f.readlines()[-40:] if os.path.basename(log) != 'fake.log' else []:
                print(f'# {os.path.basename(log)}: {line.rstrip()[:300]}', flush=True)
    print(f'1..{_count}', flush=True)
    sys.exit(_failed > 0)


def bail(why):
    ok(f'goes on: {str(why).splitlines()[0]}', False, why)
    done()


# --- a folder and processes ----------------------------------------------------------------------

work = tempfile.mkdtemp(prefix='probity-test-', dir='/tmp')
os.chmod(work, 0o755)  # clients run as other users too
_children, _cleanups, _states = [], [], []
KEPT_BYTES = 16 << 20  # of the records of an agent


def path(*parts):
    return os.path.join(work, *parts)


def write(name, text):
    with open(path(name), 'w', encoding='utf-8') as f:
        f.write(text)
    return path(name)


def read(name):
    with open(path(name), encoding='utf-8', errors='replace') as f:
        return f.read()


def at_end(fn):
    _cleanups.append(fn)


def spawn(argv, **options):
    child = subprocess.Popen(argv, **options)
    _children.append(child)
    return child


def end(child, sig=signal.SIGTERM, limit=20 * SLOWEST):
    """Ends one of ours and gives its exit status, negative for a signal."""
    if child.poll() is None:
        child.send_signal(sig)
        try:
            child.wait(limit)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child in _children:
        _children.remove(child)
    return child.returncode


def _keep_records():
    """What this test's agents have sealed stays behind, for test_report."""
    for state in _states:
        to = os.path.join(BUILD, 'test-records', os.path.basename(sys.argv[0]), os.path.basename(state))
        segments = glob.glob(state + '/spool/*.seg')
        if not segments or sum(map(os.path.getsize, segments)) > KEPT_BYTES:
            continue
        shutil.rmtree(to, ignore_errors=True)
        try:
            shutil.copytree(state + '/spool', to + '/spool')
            os.makedirs(to + '/keys')
            shutil.copy(state + '/keys/chain.pub', to + '/keys')
        except (OSError, shutil.Error):
            pass  # test_report has them not, and says how many it has


def _clean():
    for child in reversed(_children[:]):
        end(child, limit=15)
    _keep_records()
    for fn in reversed(_cleanups):
        fn()
    shutil.rmtree(work, ignore_errors=True)


atexit.register(_clean)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))


def wait_for(holds, limit=10.0, step=0.03):
    """The first true value of holds() within the limit, else its last. The limit is said for a quiet
    machine; a busy one gets several times as long, which costs time only where the answer stays no."""
    until = time.monotonic() + limit * SLOWEST
    while True:
        value = holds()
        if value or time.monotonic() > until:
            return value
        time.sleep(step)


def at_once(what, took, limit, again=None):
    """Whether what took so long was done at once: within the limit, or, as no clock is right on a machine
    that is busy or stands still for a moment, in another of three tries; with more to run than there are
    CPUs the limit is SLOWEST times as long. A client that hangs does so each time, and for longer."""
    for more in range(3):
        if took < limit:
            return True
        busy = os.getloadavg()[0] > os.cpu_count()
        print(f'# {what}: {took:.2f} s, the limit is {limit:.2f} s; load {os.getloadavg()[0]:.1f}', flush=True)
        if busy and took < limit * SLOWEST:
            return True
        if not again or more == 2:
            return False
        took = again()


def clean_env(**more):
    """Clients know nothing of the account that runs the tests."""
    os.makedirs(path('home'), mode=0o777, exist_ok=True)
    return {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': path('home'), 'LANG': 'C.UTF-8', **more}


def run(argv, env=None, limit=60, **options):
    """A program to its end: CompletedProcess with text; a signal gives 128 + number, as in a shell."""
    options.setdefault('stdin', subprocess.DEVNULL)
    r = subprocess.run(argv, env=clean_env(**(env or {})), capture_output=True, timeout=limit * SLOWEST,
                       errors='replace', text=True, check=False, **options)
    if r.returncode < 0:
        r.returncode = 128 - r.returncode
    return r


class Outside:
    """Runs programs from a process without our parents: whoever runs the tests may itself be below an
    AI tool, and then everything here is, from its first byte."""

    def __init__(self):
        (ask, self.ask), (self.answers, answer) = os.pipe(), os.pipe()
        if not os.fork():
            os.setsid()
            if os.fork():
                os._exit(0)
            os.close(self.ask)
            for line in os.fdopen(ask):
                r = run(**json.loads(line))
                os.write(answer, json.dumps([r.stdout, r.stderr, r.returncode]).encode() + b'\n')
            os._exit(0)
        os.wait()
        os.close(ask)
        self.answers = os.fdopen(self.answers)

    def run(self, argv, env=None, limit=60):
        os.write(self.ask, json.dumps({'argv': argv, 'env': env, 'limit': limit}).encode() + b'\n')
        out, err, code = json.loads(self.answers.readline())
        return subprocess.CompletedProcess(argv, code, out, err)


def children_of(pid):
    found = []
    for p in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{p}/stat', encoding='ascii', errors='replace') as f:
                if int(f.read().rpartition(')')[2].split()[1]) == pid:
                    found.append(int(p))
        except OSError:
            continue
    return found


def as_nobody(argv):
    return ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', *argv]


def client(name):
    """A copy of client.py or client.js that other users can read."""
    if not os.path.exists(path(name)):
        shutil.copy(os.path.join(HERE, name), path(name))
        os.chmod(path(name), 0o644)
    return path(name)


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def json_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.strip()]


# --- the fake AI service -------------------------------------------------------------------------

class Fake:
    """fakellm.js; its port, its certificates, and what it says it received and answered."""

    def __init__(self, _prefix=(), **settings):
        self.certs = path('ca')
        self.ca = path('ca', 'ca.pem')
        self.log = path('fake.log')
        subprocess.run([os.path.join(HERE, 'mkca.sh'), self.certs], check=True)
        self.process = spawn([*_prefix, NODE, os.path.join(HERE, 'fakellm.js')], stdout=subprocess.PIPE,
                             stderr=open(path('fake.err'), 'wb'), text=True,
                             env=clean_env(FAKE_CERTS=self.certs, FAKE_LOG=self.log, **settings))
        line = self.process.stdout.readline()
        if not line:
            bail('the fake service did not start\n' + read('fake.err'))
        self.port = json.loads(line)['https']

    def events(self, kind):
        if not os.path.exists(self.log):
            return []
        with open(self.log, encoding='utf-8') as f:
            lines = f.read().split('\n')[:-1]  # a line still being written is not there yet
        return [e for e in map(json.loads, lines) if e['event'] == kind]

    def requests(self):
        return self.events('request')

    def connections(self):
        return self.events('connection')

    def base(self, host):
        return f'https://{host}:{self.port}'

    def curl(self, host, url_path, body, *more, exe='/usr/bin/curl'):
        """curl's argument list for one POST. The key in it must never be seen in a record."""
        return [exe, '-sS', '-N', '--max-time', '30', '--cacert', self.ca,
                '--resolve', f'{host}:{self.port}:127.0.0.1', '-H', 'content-type: application/json',
                '-H', f'authorization: Bearer {SECRET}', '-d', body, *more,
                f'{self.base(host)}{url_path}']


# Made up when the tests run, in the form of a key.
SECRET = 'sk-proj-' + ''.join('abcdefghijkmnpqrstuvwxyz23456789ABCDEFGHJKLMNPQRSTUVWXYZ'[b % 57 - 1]
                              for b in os.urandom(48))


def chat(text, **more):
    return json.dumps({'model': 'gpt-4o', 'messages': [{'role': 'user', 'content': text}], **more})


# --- the agent -----------------------------------------------------------------------------------

class Agent:
    """probityd with a state folder of its own."""

    def __init__(self, policy, mode='monitor', name='agent', options=(), wait=True):
        self.name = name
        self.state, self.run_dir, self.log = path(name), path(name + '-run'), path(name + '.log')
        self.policy = policy
        _states.append(self.state)
        self.argv = [os.path.join(BUILD, 'probityd'), '--state-dir', self.state, '--run-dir',
                     self.run_dir, '--policy', policy, '--mode', mode, *options]
        self.process = None
        self.start(wait)

    def start(self, wait=True):
        r, w = os.pipe()
        self.process = spawn([*self.argv, '--ready-fd', str(w)], pass_fds=[w],
                             stdout=open(self.log, 'ab'), stderr=subprocess.STDOUT,
                             stdin=subprocess.DEVNULL)
        os.close(w)
        ready = os.read(r, 1) if wait else b'\n'
        os.close(r)
        if not ready:
            bail(f'the agent did not get ready, exit {self.process.wait()}\n' + self.said())

    def said(self):
        return read(self.log) if os.path.exists(self.log) else ''

    def stop(self):
        return end(self.process, limit=30 * SLOWEST)

    def pids(self):
        """Keeper, worker and recorder."""
        return [self.process.pid, *children_of(self.process.pid)]

    def cli(self, *args, where='state', limit=30):
        folder = ['--run-dir', self.run_dir] if where == 'run' else ['--state-dir', self.state]
        return run([os.path.join(BUILD, 'probity'), *args, *folder], limit=limit)

    def status(self):
        r = self.cli('status', '--json', where='run')
        return json.loads(r.stdout) if r.returncode == 0 else None

    def calls(self, **want):
        """Sealed AI calls, oldest first; of one case: calls(user_agent=...)."""
        found = json_lines(self.cli('ls', '--json', '--limit', '0').stdout)
        return [c for c in found if all(c.get(k) == v for k, v in want.items())]

    def control(self, kind=None):
        found = json_lines(self.cli('ls', '--json', '--control', '--limit', '0').stdout)
        return [c for c in found if kind is None or c.get('control') == kind or c.get('kind') == kind]

    def wait_calls(self, n, limit=10, **want):
        return wait_for(lambda: (lambda c: c if len(c) >= n else None)(self.calls(**want)), limit) \
            or self.calls(**want)

    def spool_bytes(self):
        return b''.join(open(f, 'rb').read() for f in glob.glob(self.state + '/spool/**', recursive=True)
                        if os.path.isfile(f))

    def unharmed(self):
        """No role of it has died since it started."""
        s = self.status() or {}
        same(f'{self.name}: no role died', [s.get(r, {}).get('restarts') for r in ('worker', 'recorder')], [0, 0])

    def verify(self):
        return self.cli('verify', where='state')


def need_root():
    if os.geteuid() != 0:
        skip('the agent', 'needs root')
        done()


OBSERVE = os.path.join(TOP, 'policies', 'observe.yaml')
