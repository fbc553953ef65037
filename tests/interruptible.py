"""What a Python process runs first that a test interrupts or hangs up on."""

# A test run under nohup, or in the background of a shell, hands down that these are ignored.
INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
