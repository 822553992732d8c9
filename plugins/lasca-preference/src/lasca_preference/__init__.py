"""Preference learners: does the later of two windows show more of it, or less?"""
