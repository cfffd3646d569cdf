// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the agent's own pid, program, folders and BPF objects; the clock. Flows out: the maps of
 * guard.bpf.c, its programs attached, and GUARD and LOSS records of what became of the protection and
 * of the agent itself.
 *
 * Invariant: the guard is whole or not there: when one program cannot be attached, none is, and the
 * status says which. Maps are filled before the first program refuses anything, so the agent is never
 * a stranger to itself. What is attached later (packet programs come and go) is protected within a
 * second.
 *
 * Files are known by the file system's own device number, which stat(2) does not tell on btrfs and
 * overlayfs: it is read from the mount table.
 *
 * Records wait for a worker, GUARD_WAITING at most; what does not fit is counted and said.
 */
#include "guard.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "agent/backends.h"
#include "agent/bpf.h"
#include "agent/config.h"
#include "agent/lsm.h"
#include "agent/pins.h"
#include "agent/procinfo.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "guard_int.h"

/* Those that say who is the agent come first: from the first refusal on it is known. */
static const char *const programs[] = {
	"guard_fork",	"guard_exec",	  "guard_bpf_map",   "guard_bpf_prog", "guard_bpf",
	"guard_ptrace", "guard_kill",	  "guard_file_open", "guard_unlink",   "guard_rmdir",
	"guard_create", "guard_mkdir",	  "guard_mknod",     "guard_symlink",  "guard_link",
	"guard_rename", "guard_truncate", "guard_chmod",     "guard_mount",    "guard_move_mount",
	"guard_umount",
};

uint64_t guard_boot_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static struct bpf_program *program(const struct guard *g, const char *name)
{
	return bpf_object__find_program_by_name(bpf_object_of(g->bpf), name);
}

static int map_fd(const struct guard *g, const char *name)
{
	return bpf_object__find_map_fd_by_name(bpf_object_of(g->bpf), name);
}

void guard_prepare(struct bpf_object *obj, bool on)
{
	on = on && lsm_in_force(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		struct bpf_program *p = bpf_object__find_program_by_name(obj, programs[i]);

		if (p)
			bpf_program__set_autoload(p, on);
	}
}

/* --- records ------------------------------------------------------------------------------------- */

static void send_waiting(struct guard *g)
{
	while (g->waiting_n) {
		struct role_seal head = {.len = g->waiting[0].n};

		if (!g->tell(g->ctx, ROLE_SEAL, &head, sizeof(head), g->waiting[0].p,
			     g->waiting[0].n))
			return;
		free(g->waiting[0].p);
		memmove(g->waiting, g->waiting + 1, --g->waiting_n * sizeof(g->waiting[0]));
	}
}

void guard_seal(struct guard *g, const Probity__V1__Control *c)
{
	size_t n = probity__v1__control__get_packed_size(c);
	void *p = g->waiting_n < GUARD_WAITING ? malloc(n) : NULL;

	if (!p) {
		log_err("a record of the guard found no room: %s", c->reason);
		g->lost++;
		return;
	}
	probity__v1__control__pack(c, p);
	g->waiting[g->waiting_n].p = p;
	g->waiting[g->waiting_n++].n = n;
	send_waiting(g);
}

static void say(struct guard *g, Probity__V1__Control__Kind kind, const char *text)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = kind;
	c.reason = (char *)text;
	guard_seal(g, &c);
}

/* --- the time without an agent ------------------------------------------------------------------ */

static uint64_t last_seen(const struct guard *g)
{
	struct gate_settings s = {};
	uint32_t zero = 0;

	if (g->now->gone_ns)
		return g->now->gone_ns;
	bpf_map_lookup_elem(map_fd(g, "gate"), &zero, &s);
	return s.alive_ns;
}

/* Only where the maps are a former agent's: a host that was down was not watched by nature. */
static void say_away(struct guard *g)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;
	uint64_t seen = last_seen(g), now = guard_boot_ns();
	char text[160];

	if (!pins_adopted(bpf_pins(g->bpf)) || seen <= 1 || seen > now)
		return;
	snprintf(text, sizeof(text),
		 "no agent for %.1f s: rules in the kernel stayed in force, calls were not seen",
		 (now - seen) / 1e9);
	c.kind = PROBITY__V1__CONTROL__KIND__LOSS;
	c.reason = text;
	c.what = (char *)"milliseconds";
	c.cause = (char *)"agent_away";
	c.count = (now - seen) / 1000000;
	log_warn("%s", text);
	guard_seal(g, &c);
}

/* What its worker would have read; of what came after, and found no room, its counters are not ours. */
void guard_unread(struct guard *g, unsigned records)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	if (!g || !records)
		return;
	c.kind = PROBITY__V1__CONTROL__KIND__LOSS;
	c.reason =
		(char *)"seen by an agent of another build while it was replaced, and read by nobody";
	c.what = (char *)"chunks";
	c.cause = (char *)"agent_replaced";
	c.count = records;
	guard_seal(g, &c);
}

/* --- what is protected ----------------------------------------------------------------------------- */

static uint64_t kernel_dev(dev_t d)
{
	return (uint64_t)major(d) << 20 | minor(d);
}

/* Of the file system itself, as the mount table has it. */
static uint64_t dev_of(const char *path, const struct stat *st)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	unsigned id, major_nr, minor_nr;
	struct statx sx = {};
	char line[4096];

	if (!f || statx(AT_FDCWD, path, 0, STATX_MNT_ID, &sx) || !(sx.stx_mask & STATX_MNT_ID))
		return kernel_dev(st->st_dev);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%u %*u %u:%u", &id, &major_nr, &minor_nr) == 3 &&
		    id == sx.stx_mnt_id)
			return (uint64_t)major_nr << 20 | minor_nr;
	return kernel_dev(st->st_dev);
}

static int mark(const struct guard *g, const char *path, uint32_t flags)
{
	int fd = map_fd(g, "guard_inodes");
	struct guard_inode k;
	uint32_t have = 0;
	struct stat st;

	if (stat(path, &st))
		return -errno;
	k = (struct guard_inode){.dev = dev_of(path, &st), .ino = st.st_ino};
	bpf_map_lookup_elem(fd, &k, &have);
	have |= flags;
	return bpf_map_update_elem(fd, &k, &have, BPF_ANY) ? -errno : 0;
}

static int mark_tree(const struct guard *g, const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	int r = real ? mark(g, real, GUARD_TREE) : -errno;
	char *slash;

	while (!r && (slash = strrchr(real, '/')) && slash != real) {
		*slash = '\0';
		r = mark(g, real, GUARD_ANCESTOR);
	}
	return r;
}

static void mark_secrets(struct guard *g)
{
	static const char *const names[] = {"epoch.0", "epoch.1", "mac.seed"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *key = NULL;

		if (asprintf(&key, "%s/keys/%s", g->cfg->state_dir, names[i]) >= 0)
			mark(g, key, GUARD_SECRET);
	}
	mark(g, g->cfg->pseudonym_key, GUARD_SECRET);
	if (g->cfg->kek && strchr(g->cfg->kek, '/'))
		mark(g, g->cfg->kek, GUARD_SECRET);
}

static int mark_files(struct guard *g)
{
	struct stat st;
	int r = mark_tree(g, g->cfg->state_dir) ?: mark_tree(g, g->cfg->run_dir);

	if (!r && g->cfg->pin_dir[0]) {
		r = mark_tree(g, g->cfg->pin_dir);
		if (!r && !stat(g->cfg->pin_dir, &st))
			g->now->pins_dev = dev_of(g->cfg->pin_dir, &st);
	}
	if (!r)
		mark_secrets(g); /* the recorder makes them when it first starts */
	return r;
}

static int know_program(const struct guard *g)
{
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct guard_exe e = {};
	uint32_t at = 0;
	struct stat st;
	long generation = 0;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	e.dev = dev_of("/proc/self/exe", &st);
	e.ino = st.st_ino;
	if (!ioctl(fd, FS_IOC_GETVERSION, &generation))
		e.generation = generation;
	return bpf_map_update_elem(map_fd(g, "guard_exe"), &at, &e, BPF_ANY) ? -errno : 0;
}

static int know_self(const struct guard *g)
{
	uint32_t pid = getpid();
	struct role_proc p;
	uint64_t start;

	if (procinfo_read(pid, &p))
		return -errno;
	start = p.start_ns / KRULE_TICK_NS;
	return bpf_map_update_elem(map_fd(g, "guard_procs"), &pid, &start, BPF_ANY) ? -errno : 0;
}

static void know(const struct guard *g, enum guard_kind kind, uint32_t id)
{
	uint64_t key = GUARD_OBJECT(kind, id);
	uint32_t one = 1;

	if (id && bpf_map_update_elem(map_fd(g, "guard_objects"), &key, &one, BPF_ANY))
		log_err("the guard cannot protect BPF object %u: %s", id, strerror(errno));
}

static void know_link(void *ctx, const struct bpf_link *l)
{
	struct bpf_link_info info = {};
	uint32_t n = sizeof(info);

	if (!bpf_obj_get_info_by_fd(bpf_link__fd(l), &info, &n))
		know(ctx, GUARD_LINK, info.id);
}

static void know_objects(struct guard *g)
{
	struct bpf_object *obj = bpf_object_of(g->bpf);
	struct bpf_prog_info pi;
	struct bpf_map_info mi;
	struct bpf_program *p;
	struct bpf_map *m;
	uint32_t n;

	bpf_object__for_each_map(m, obj)
	{
		mi = (struct bpf_map_info){};
		n = sizeof(mi);
		if (bpf_map__fd(m) >= 0 && !bpf_obj_get_info_by_fd(bpf_map__fd(m), &mi, &n))
			know(g, GUARD_MAP, mi.id);
	}
	bpf_object__for_each_program(p, obj)
	{
		pi = (struct bpf_prog_info){};
		n = sizeof(pi);
		if (bpf_program__fd(p) >= 0 && !bpf_obj_get_info_by_fd(bpf_program__fd(p), &pi, &n))
			know(g, GUARD_PROG, pi.id);
	}
	pins_each_link(bpf_pins(g->bpf), know_link, g);
}

/* --- beginning and end ---------------------------------------------------------------------------- */

static int attach(struct guard *g)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		struct bpf_program *p = program(g, programs[i]);

		if (p && bpf_program__fd(p) >= 0 &&
		    (g->links[i] = pins_attach(bpf_pins(g->bpf), p, -1)))
			continue;
		snprintf(g->why, sizeof(g->why), "%s cannot be attached", programs[i]);
		return -EOPNOTSUPP;
	}
	return 0;
}

static void detach(struct guard *g)
{
	for (size_t i = ARRAY_SIZE(programs); i--;) {
		pins_detach(bpf_pins(g->bpf), g->links[i]);
		g->links[i] = NULL;
	}
}

static void protect(struct guard *g, bool on)
{
	const char *why = "";
	int r;

	if (!on || !lsm_in_force(&why)) {
		snprintf(g->why, sizeof(g->why), "%s", on ? why : "--guard off, or monitor mode");
		return;
	}
	if (!pins_adopted(bpf_pins(g->bpf)))
		g->now->until_ns = UINT64_MAX;
	r = know_program(g) ?: know_self(g) ?: mark_files(g);
	if (r)
		snprintf(g->why, sizeof(g->why), "its files: %s", strerror(-r));
	r = r ?: attach(g);
	if (r) {
		detach(g);
		log_warn("guard: not in force: %s", g->why);
		return;
	}
	know_objects(g);
	if (g->now->until_ns == UINT64_MAX)
		g->now->until_ns = 0;
	g->locked = true;
	backend_offer(NEED_GUARD, 30, GATE_LSM_GUARD, NULL);
	log_info("guard: no other process may touch the agent, its files or its programs");
}

int guard_open(struct bpf *b, const struct config *cfg, bool on,
	       bool (*tell)(void *ctx, enum role_kind kind, const void *head, size_t n,
			    const void *tail, size_t m),
	       void *ctx, struct guard **ret)
{
	_cleanup_free_ struct guard *g = calloc(1, sizeof(*g));
	struct bpf_program *exit_prog;

	if (!g)
		return -ENOMEM;
	g->bpf = b;
	g->cfg = cfg;
	g->tell = tell;
	g->ctx = ctx;
	g->now = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
		      map_fd(g, "guard_now"), 0);
	if (g->now == MAP_FAILED)
		return -errno;
	say_away(g);
	exit_prog = program(g, "guard_exit");
	g->exit = exit_prog ? pins_attach(bpf_pins(b), exit_prog, -1) : NULL;
	if (!g->exit)
		log_warn("guard_exit cannot be attached: the agent's end is noticed after 3 s");
	backend_lack(NEED_GUARD, "lsm/bpf, ptrace_access_check, task_kill …",
		     "BPF LSM is not in force, or --guard off");
	g->now->signed_ = cfg->policy_key != NULL;
	protect(g, on);
	g->now->gone_ns = 0;
	g->now->keeper = getpid();
	*ret = TAKE_PTR(g);
	return 0;
}

/* The links of what is pinned stay by their pins. */
void guard_close(struct guard *g)
{
	if (!g)
		return;
	g->now->keeper = 0; /* an orderly end is no gap */
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		bpf_link__destroy(g->links[i]);
	bpf_link__destroy(g->exit);
	while (g->waiting_n)
		free(g->waiting[--g->waiting_n].p);
	munmap(g->now, getpagesize());
	free(g);
}

void guard_tick(struct guard *g)
{
	if (!g)
		return;
	send_waiting(g);
	if (!g->locked)
		return;
	know_objects(g);
	mark_secrets(g);
	if (g->open && g->now->until_ns <= guard_boot_ns()) {
		g->open = false;
		say(g, PROBITY__V1__CONTROL__KIND__GUARD, "locked again: the window ended");
	}
}

/* --- status ------------------------------------------------------------------------------------ */

json_t *guard_status(const struct guard *g)
{
	uint64_t now = guard_boot_ns();

	return json_pack("{s:s, s:I, s:I, s:b, s:i, s:s}", "state",
			 !g->locked		  ? "off"
			 : g->now->until_ns > now ? "unlocked"
						  : "locked",
			 "refused", (json_int_t)g->now->refused, "unlocked_s",
			 (json_int_t)(g->locked && g->now->until_ns > now
					      ? (g->now->until_ns - now) / 1000000000
					      : 0),
			 "signed", (int)g->now->signed_, "records_lost", (int)g->lost, "why",
			 g->why);
}

void guard_backends(const struct guard *g, json_t *rows)
{
	json_array_append_new(rows, json_pack("{s:s, s:s, s:s}", "for", "guard", "backend",
					      g->locked ? "lsm" : "none", "note",
					      g->locked ? "" : g->why));
}
