"""Acoustic parameters of the voice, measured by openSMILE."""
