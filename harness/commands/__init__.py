# SPDX-License-Identifier: GPL-2.0-only
"""The commands of the command line; cli.py lists them."""
