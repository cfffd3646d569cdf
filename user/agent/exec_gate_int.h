/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the keeper's exec gate, as they see each other: exec_gate.c has the rules,
 * exec_ask.c the questions, exec_runs.c the programs that begin, exec_files.c the table of files and the kernel's map of them, exec_paths.c as what scripts
 * are called, exec_names.c as what packages and modules are, exec_late.c who runs what, exec_trees.c what
 * is forbidden below a process, exec_stops.c who waits for that. */
#ifndef PROBITY_AGENT_EXEC_GATE_INT_H
#define PROBITY_AGENT_EXEC_GATE_INT_H

#include "agent/exec_gate.h"
#include "agent/exec_hooks.h"
#include "agent/exec_ident.h"
#include "agent/exec_look.h"
#include "agent/exec_walk.h"

#define XFILES_MAX 60000 /* exec_files holds somewhat more */
#define ASKED_MAX 256	 /* files the worker was asked about and has not answered */
#define USERS_MAX 4096
#define XFILE_ALIASES 2
#define XFILE_LINKS 4
#define SUSPECTS_MAX 256
#define WRITTEN_MAX 64
#define RECENT_MAX 512
#define TREES_MAX 64

/* One file, of one generation: when its content or its time of change is another, all is forgotten. */
struct xfile {
	struct xfile *next;
	struct exec_key key;
	uint64_t ctime_ns, size;
	uint64_t judged; /* generation of rules in `rules`; 0 = none */
	uint64_t rules;
	uint64_t stale; /* rules on the generation before, by which the kernel still refuses it */
	uint32_t uid, mode, flags; /* EXEC_* */
	bool looked, looking, queued, has_digest, builtin;
	bool tried;	/* its digest */
	bool has_paths; /* in the kernel */
	uint8_t sha256[32];
	struct exec_rules_of of[2]; /* as in the kernel */
	char *path, *package;
	char *alias[XFILE_ALIASES]; /* other names it was seen under, and still has */
	char *link[XFILE_LINKS];    /* symbolic links that led here when they were seen */
	char interpreter[32];
};

struct xname;
struct xnames;
struct exec_stops;

struct asked {
	uint64_t id;	    /* 0 = free */
	struct xfile *file; /* NULL: a package by its name */
	struct xname *name; /* NULL: a package that a launcher names */
	bool alias;	    /* under another name than its first */
	uint32_t pid;
	uint64_t start_ns;
	char package[127];
};

/* A process that runs what was not judged when it began. */
struct suspect {
	uint32_t pid, uid; /* pid 0 = free */
	uint64_t start_ns;
	struct xfile *file;
	uint64_t stale; /* of the file, then */
	bool script;
	struct exec_path as_given; /* "": not by a path */
};

/* An exec, for rules that come into force a moment later. */
struct recent {
	uint32_t pid, ppid, uid; /* pid 0 = free */
	uint64_t start_ns, exec_ns;
	struct xfile *file, *script; /* NULL: not known */
};

struct user_rules {
	uint32_t uid;
	uint64_t rules;
};

struct exec_gate_counts {
	uint64_t files_refused, paths_refused, unreadable, late_kills, late_failed, late_would,
		asks, scripts;
};

struct exec_gate {
	struct exec_gate_setup s;
	struct exec_hooks *hooks;
	struct exec_look *look;
	struct exec_walk *walk;
	struct event *answer; /* files to be asked about */
	int files_fd, paths_fd, names_fd, users_fd, settings_fd, trees_fd, marks_fd, counts_fd,
		folds_fd, execs_fd;

	struct xfile **table;
	unsigned files, looked;
	struct xfile **todo; /* ring of those to be asked about */
	unsigned todo_first, todo_n;
	struct asked asked[ASKED_MAX];
	unsigned asked_n;
	uint64_t next_id;

	struct role_exec_rules rules; /* as told last */
	struct user_rules user[USERS_MAX];
	unsigned users;
	struct exec_settings now; /* in the kernel */
	bool walked;		  /* all places were seen under `rules` */
	uint64_t told_ns;	  /* when `rules` came */

	int written[WRITTEN_MAX]; /* programs that may yet be made executable; 0 = free */
	unsigned writes;
	struct suspect suspect[SUSPECTS_MAX];
	unsigned suspects;
	struct xnames *names;
	struct exec_stops *stops;
	struct recent recent[RECENT_MAX];
	unsigned recents;
	struct role_tree tree[TREES_MAX]; /* the last that were told */
	unsigned trees;
	struct exec_gate_counts count;
};

uint64_t exec_now(void);

/* exec_files.c */
int xfiles_open(struct exec_gate *g);
void xfiles_close(struct exec_gate *g);
/* An open file; key NULL: worked out here. NULL: no regular file, or no room. */
struct xfile *xfile_seen(struct exec_gate *g, int fd, const struct exec_key *key);
/* Whether it has no digest and should; and asks for it. True: it is under way. */
bool xfile_lacks_digest(const struct exec_gate *g, const struct xfile *f);
bool xfile_digest(struct exec_gate *g, struct xfile *f);
void xfile_looked(void *gate, uint64_t tag, const struct exec_seen *seen);
void xfile_queue(struct exec_gate *g, struct xfile *f); /* to be asked about */
void xfiles_queue_all(struct exec_gate *g);
void xfile_judged(struct exec_gate *g, struct xfile *f, const struct role_file_rules *r,
		  bool alias);
bool xfile_is_judged(const struct exec_gate *g, const struct xfile *f);
void xfile_describe(const struct xfile *f, struct role_file *ret);

/* exec_paths.c */
/* What a process gave for a script. False: nothing the kernel could compare. */
bool xpath_of(uint32_t pid, const char *word, struct exec_path *ret);
/* Whether the kernel knows it, under the rules in force. */
bool xpath_known(const struct exec_gate *g, const struct exec_path *p);
/* A script that rules name was called like that: to be known at the next exec. */
void xpath_seen(struct exec_gate *g, struct xfile *f, const struct exec_path *p);
/* A symbolic link leads to it. */
void xpath_link(struct exec_gate *g, struct xfile *f, const char *link);
/* What a judged script may be called by, into the kernel or out of it. */
void xpaths_put(struct exec_gate *g, struct xfile *f);

/* exec_names.c */
int xnames_open(struct exec_gate *g);
void xnames_close(struct exec_gate *g);
/* Rules came: names are asked about anew, and those that the rules have. */
void xnames_rules(struct exec_gate *g, const struct role_exec_place *at, uint32_t n);
/* A file of that package has rules, or (path "", file NULL) a launcher named it and it has. */
void xname_seen(struct exec_gate *g, const char *package, const char *path,
		const struct exec_key *file);
/* The next that the worker is to be asked about; NULL: none. */
struct xname *xnames_next(struct exec_gate *g, const char **ret_package);
void xname_judged(struct exec_gate *g, struct xname *x, uint64_t rules, uint64_t generation);
void xnames_again(struct exec_gate *g); /* the worker is new */
unsigned xnames_waiting(const struct exec_gate *g);
/* Whether the kernel knows that name, under the rules in force, as one that rules have. */
bool xname_known(const struct exec_gate *g, uint32_t space, const char *word);
json_t *xnames_status(const struct exec_gate *g);

/* exec_gate.c */
/* Of two generations of rules, where `generation` is to be written; the one in force stays. */
struct exec_rules_of *exec_slot(const struct exec_gate *g, struct exec_rules_of of[2],
				uint64_t generation);

/* exec_ask.c */
void exec_gate_ask_worker(struct exec_gate *g);
void exec_gate_ask_package(struct exec_gate *g, uint32_t pid, uint64_t start_ns, const char *path,
			   const char *package);

/* exec_runs.c */
void exec_gate_look_at_written(struct exec_gate *g); /* once a second */

/* exec_trees.c */
void recent_add(struct exec_gate *g, const struct role_proc *p, struct xfile *file,
		struct xfile *script);
/* It was ended: no tool call is to end it again. */
void recent_settled(struct exec_gate *g, uint32_t pid, uint64_t start_ns);

/* exec_stops.c */
int exec_stops_open(struct exec_gate *g);
void exec_stops_close(struct exec_gate *g);
void exec_stops_tick(struct exec_gate *g); /* once a second */
json_t *exec_stops_status(const struct exec_gate *g);

/* exec_late.c */
uint64_t exec_ticks(uint64_t ns);
/* A process that runs what rules name: ended, if they hold for it, and recorded. */
struct late {
	uint32_t pid, uid;
	uint64_t start_ns, dev, ino, rules;
	bool script, named; /* named: a package or module, by the command line */
	bool stopped;	    /* it has not begun */
	const char *what;
};
void late_act(struct exec_gate *g, const struct late *l);
/* as_given NULL: it is the program, or a script that was called by no path. */
void late_suspect(struct exec_gate *g, const struct role_proc *p, struct xfile *f, bool script,
		  const struct exec_path *as_given);
/* The file was judged: whoever runs it is looked at. */
void late_judged(struct exec_gate *g, struct xfile *f);
void late_package(struct exec_gate *g, const struct asked *a, uint64_t rules);
uint64_t late_who(const struct exec_gate *g, uint32_t pid, uint64_t start_ns, uint32_t uid,
		  uint64_t *ret_forbidden);

#endif
