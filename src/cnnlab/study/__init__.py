"""Many runs together: the published rows, their repetitions and what they add up to."""
