/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What pipe.bpf.c knows of descriptors and of system calls. */
#ifndef PROBITY_BPF_PIPE_H
#define PROBITY_BPF_PIPE_H

#include "chunk.h"
#include "fd.h"

#define S_IFIFO 0010000
#define AF_UNIX 1
#define MSG_PEEK 2

/* Numbers of the system calls that move bytes or open files. */
#if defined(__TARGET_ARCH_x86)
#define SYS_NR(regs) BPF_CORE_READ(regs, orig_ax)
#define SYS_READ 0
#define SYS_WRITE 1
#define SYS_OPEN 2
#define SYS_READV 19
#define SYS_WRITEV 20
#define SYS_SENDTO 44
#define SYS_RECVFROM 45
#define SYS_SENDMSG 46
#define SYS_RECVMSG 47
#define SYS_OPENAT 257
#define SYS_OPENAT2 437
#define TS_COMPAT 2 /* a 32-bit call: its numbers mean something else */
#elif defined(__TARGET_ARCH_arm64)
#define SYS_NR(regs) BPF_CORE_READ(regs, syscallno)
#define SYS_READ 63
#define SYS_WRITE 64
#define SYS_READV 65
#define SYS_WRITEV 66
#define SYS_SENDTO 206
#define SYS_RECVFROM 207
#define SYS_SENDMSG 211
#define SYS_RECVMSG 212
#define SYS_OPENAT 56
#define SYS_OPENAT2 437
#endif

/* The standard input and output of one image of one process. */
struct stdio {
	struct conn conn; /* offset[EVENT_READ] counts what came in, [EVENT_WRITE] what went out */
	__u64 ticks;	  /* start of the process */
	__u64 in, out;	  /* struct file *; 0: no pipe and no socket */
	__u32 filled, fresh, peer_told;
	__u32 pad;
};

/* 4,096 processes of AI tools' trees at once; least recently used go, and are late again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32); /* tgid */
	__type(value, struct stdio);
} stdios SEC(".maps") __weak;

/* Who wrote last into a pipe that is not its standard output: the client's end. */
struct pipe_key { /* memory of inodes is used again, numbers nearly never */
	__u64 inode, ino;
};
struct pipe_writer {
	__u64 start_ns;
	__u32 tgid;
	__u32 pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct pipe_key);
	__type(value, struct pipe_writer);
} pipe_writers SEC(".maps") __weak;

static __always_inline struct sock *unix_stream(struct file *file)
{
	struct socket *s = BPF_CORE_READ(file, private_data);
	struct sock *sk = BPF_CORE_READ(s, sk);

	if (BPF_CORE_READ(sk, __sk_common.skc_family) != AF_UNIX ||
	    BPF_CORE_READ(s, type) != SOCK_STREAM)
		return NULL;
	return sk;
}

static __always_inline __u32 pipe_kind(struct file *file)
{
	__u32 mode = BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT;

	if (mode == S_IFIFO)
		return PIPE_FIFO;
	return mode == S_IFSOCK && unix_stream(file) ? PIPE_SOCKET : 0;
}

static __always_inline void pipe_key_of(struct file *f, struct pipe_key *ret)
{
	struct inode *inode = BPF_CORE_READ(f, f_inode);

	ret->inode = (__u64)inode;
	ret->ino = BPF_CORE_READ(inode, i_ino);
}

#endif
