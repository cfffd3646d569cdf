// SPDX-License-Identifier: Apache-2.0
/*
 * Ways to run a file without saying so: usage: execwise VERB FILE
 *   read     as an interpreter does: opens it and writes what is in it
 *   map      maps it executable
 *   protect  maps it readable, then makes that executable
 *   memfd    runs a copy that lies in memory and has no name
 *   again    runs it COUNT times (third argument); prints how many of them were refused
 * Exit 0, or 1 with the error's name.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int say(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerrorname_np(errno));
	return 1;
}

static int read_it(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(1, buf, n) != n)
			return 1;
	return n < 0;
}

static int run_copy(int fd)
{
	char *const argv[] = {"copy", "ran", NULL};
	int m = memfd_create("copy", 0);
	struct stat st;

	if (m < 0 || fstat(fd, &st) || sendfile(m, fd, NULL, st.st_size) != st.st_size)
		return say("copy");
	fexecve(m, argv, environ);
	return say("fexecve");
}

static int again(const char *path, int count)
{
	int refused = 0, status;

	for (int i = 0; i < count; i++) {
		pid_t p = fork();

		if (!p) {
			execl(path, path, "ran", (char *)NULL);
			_exit(errno == EACCES ? 99 : 98);
		}
		waitpid(p, &status, 0);
		refused += (WIFEXITED(status) && WEXITSTATUS(status) == 99) ||
			   (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	printf("%d\n", refused);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "read", *path = argc > 2 ? argv[2] : argv[1];
	int fd;
	void *p;

	if (argc < 2)
		return 2;
	if (!strcmp(verb, "again"))
		return again(path, atoi(argv[3]));
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return say("open");
	if (!strcmp(verb, "memfd"))
		return run_copy(fd);
	if (!strcmp(verb, "map")) {
		p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
		return p == MAP_FAILED ? say("mmap") : 0;
	}
	if (!strcmp(verb, "protect")) {
		p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED)
			return say("mmap");
		return mprotect(p, 4096, PROT_READ | PROT_EXEC) ? say("mprotect") : 0;
	}
	return read_it(fd);
}
