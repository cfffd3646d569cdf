/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Maps of the gate, with the reason for each size. Those the keeper writes keep their contents when
 * it dies: what is refused stays refused. */
#ifndef PROBITY_BPF_MAPS_GATE_H
#define PROBITY_BPF_MAPS_GATE_H

#include "maps.h"
#include "proto/gate.h"

/* What the rule bits do ↓ keeper. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct krule_do);
} krule_todo SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct gate_settings);
} gate SEC(".maps") __weak;

/* Verdicts on waiting writes ↓ worker, through mmap. 1.5 MiB. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GATE_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct gate_slot);
} gate_slots SEC(".maps") __weak;

/* Writes that wait ↑ keeper: seq → whose, and where its bytes are. No more threads than this wait at
 * once; those beyond are answered as if no wait were possible. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct gate_wait_key);
	__type(value, struct gate_waiter);
} gate_waits SEC(".maps") __weak;

/* Processes that the keeper is about to continue (gate.h): tgid → seq of the write it does so for. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} gate_going SEC(".maps") __weak;

/* May a socket's packets go: sock_verdict, by cookie; beside sock_rules, which is of its name. Least
 * recently used go first, so it holds more than can be open at once on most hosts. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64); /* socket cookie */
	__type(value, __u32);
} sock_verdicts SEC(".maps") __weak;

/* Of a clear connection: how many bytes from its beginning the worker has let go ↓ keeper, before it
 * says SOCK_PASS in sock_verdicts. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* socket cookie */
	__type(value, __u64);
} sock_upto SEC(".maps") __weak;

/* Addresses that a process got by DNS for a name that a rule has. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct dns_key);
	__type(value, struct dns_value);
} dns_names SEC(".maps") __weak;

/* Ranges of one service alone → rule bits ↓ keeper. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct net_key);
	__type(value, __u64);
} deny_nets SEC(".maps") __weak;

/* Files ↓ keeper: what of the exec rules names them. A host has some thousand programs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* programs that sleep use it from 6.1 on only */
	__type(key, struct exec_key);
	__type(value, struct exec_value);
} exec_files SEC(".maps") __weak;

/* Scripts by path ↓ keeper, for kernels without LSM. Of files that a rule names, so few. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct exec_path);
	__type(value, struct exec_path_value);
} exec_paths SEC(".maps") __weak;

/* What command lines name ↓ keeper: the grammar, and packages and modules that rules name. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct exec_name);
	__type(value, struct exec_name_value);
} exec_names SEC(".maps") __weak;

/* Processes stopped at their exec: tgid → start. No more at once; those beyond are not stopped. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} exec_stops SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_settings);
} exec_settings SEC(".maps") __weak;

/* uid → exec rules that name this user ↓ keeper. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct exec_user);
} exec_users SEC(".maps") __weak;

/* What is forbidden below a process. tgid → value; a child gets its parent's at fork. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct tree_value);
} trees SEC(".maps") __weak;

/* Verdicts not told one by one ↑ keeper, which tells what was added once a second, and takes out what
 * has been still for a while (user/agent/folds.c). 450 KiB, taken at the start: any program may use
 * it. */
struct fold_key {
	__u64 subject; /* inode, cookie or a hash of the address */
	__u64 rules;
	__u32 tgid;
	__u16 hook, mechanism;
};
struct fold {
	__u64 count;   /* since the first, which was told when it fitted; never goes down */
	__u64 seen_ns; /* the latest, CLOCK_BOOTTIME */
	struct event_deny last; /* the first one; version 0 while it is being written */
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct fold_key);
	__type(value, struct fold);
} folds SEC(".maps") __weak;

/* How many of a fold's count were told: the keeper's alone, here because it outlives the keeper. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct fold_key);
	__type(value, __u64);
} folds_told SEC(".maps") __weak;

#endif
