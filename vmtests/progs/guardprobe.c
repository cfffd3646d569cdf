// SPDX-License-Identifier: Apache-2.0
/*
 * What another root process tries on BPF objects, without libbpf. Exit 0: it got what it asked for.
 *   guardprobe obj PATH      a descriptor of what is pinned there, and a look into it when it is a map
 *   guardprobe detach PATH   the pinned link: detached
 *   guardprobe ids KIND NAME no descriptor of any map or prog of that name (exit 0), or one (exit 1)
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int obj(const char *path)
{
	union bpf_attr a = {.pathname = (unsigned long)path};
	int fd = bpf(BPF_OBJ_GET, &a);

	if (fd < 0)
		perror(path);
	return fd;
}

static int detach(const char *path)
{
	union bpf_attr a = {};
	int fd = obj(path);

	if (fd < 0)
		return 1;
	a.link_detach.link_fd = fd;
	if (!bpf(BPF_LINK_DETACH, &a))
		return 0;
	perror("detach");
	return 1;
}

/* Names in the kernel are cut to 15 characters. */
static int is_named(int fd, int map, const char *name)
{
	union {
		struct bpf_map_info map;
		struct bpf_prog_info prog;
	} info = {};
	union bpf_attr a = {};

	a.info.bpf_fd = fd;
	a.info.info_len = map ? sizeof(info.map) : sizeof(info.prog);
	a.info.info = (unsigned long)&info;
	return !bpf(BPF_OBJ_GET_INFO_BY_FD, &a) &&
	       !strncmp(map ? info.map.name : info.prog.name, name, 15);
}

static int ids(int map, const char *name)
{
	unsigned id = 0, got = 0, refused = 0;

	for (;;) {
		union bpf_attr a = {.start_id = id};
		int fd;

		if (bpf(map ? BPF_MAP_GET_NEXT_ID : BPF_PROG_GET_NEXT_ID, &a))
			break;
		id = a.next_id;
		memset(&a, 0, sizeof(a));
		a.map_id = id;
		fd = bpf(map ? BPF_MAP_GET_FD_BY_ID : BPF_PROG_GET_FD_BY_ID, &a);
		refused += fd < 0 && errno == EPERM;
		if (fd >= 0) {
			got += is_named(fd, map, name);
			close(fd);
		}
	}
	printf("%u refused, %u of that name\n", refused, got);
	return got || !refused; /* none refused: there was nothing to try */
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "obj"))
		return obj(argv[2]) < 0;
	if (argc == 3 && !strcmp(argv[1], "detach"))
		return detach(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "ids"))
		return ids(!strcmp(argv[2], "map"), argv[3]);
	fprintf(stderr, "usage: guardprobe obj PATH | detach PATH | ids map|prog NAME\n");
	return 2;
}
