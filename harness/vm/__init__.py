# SPDX-License-Identifier: GPL-2.0-only
"""The machine: QEMU, QMP, console, SSH, agent."""
