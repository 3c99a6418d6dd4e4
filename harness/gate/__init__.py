# SPDX-License-Identifier: GPL-2.0-only
"""The patch gate: what does a patch series break, fix or slow down?"""
