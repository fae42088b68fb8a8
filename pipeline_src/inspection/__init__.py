"""An experiment looked at without running it: what would run, what a run would refuse, whether files are as they were
made, what nothing wants any more."""
