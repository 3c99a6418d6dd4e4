/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host and the agent agree on: raised with every change of an operation, its arguments
 * or its result. The host reads this same line (harness/build/guest.py) and refuses an agent that
 * says something else.
 */
#define AGENT_VERSION "15"
