# SPDX-License-Identifier: GPL-2.0-only
"""End-to-end tests for live update of the Linux kernel."""
