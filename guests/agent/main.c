// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent: the one program in the guest that is ours. It holds fds open by name, and does with
 * them what it is asked to, as lines of JSON. docs: harness/vm/agent.py is its client.
 */
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "version.h"

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (!strcmp(command, "serve") && argc == 2)
		return serve(false);
	if (!strcmp(command, "serve") && argc == 3 && !strcmp(argv[2], "--foreground"))
		return serve(true);
	if (!strcmp(command, "restart") && argc == 2)
		return restart();
	if (!strcmp(command, "connect") && argc == 2)
		return relay();
	if (!strcmp(command, "call") && argc == 3)
		return call_once(argv[2]);
	if (!strcmp(command, "rfc") && argc >= 4)
		return run_rfc(argc - 2, argv + 2);
	if (!strcmp(command, "version") && argc == 2)
		return puts(AGENT_VERSION) < 0;
	fputs("usage: agent serve [--foreground] | restart | connect | version\n", stderr);
	fputs("       agent call REQUEST | rfc ...\n", stderr);
	return 2;
}
