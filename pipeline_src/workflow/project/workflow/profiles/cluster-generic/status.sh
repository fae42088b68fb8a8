#!/usr/bin/env bash
# Says success, running or failed of the SLURM job whose number it is given. A site without accounting has no `sacct`: there the
# controller is asked, which forgets a job some minutes after its end (MinJobAge).
state="$(sacct --allocations --noheader --parsable2 --format=State --jobs "$1" 2>/dev/null | head -n 1)"
[ -n "$state" ] || state="$(scontrol --oneliner show job "$1" 2>/dev/null | sed -n 's/.* JobState=\([A-Z_]*\).*/\1/p')"
case "$state" in
  COMPLETED) echo success ;;
  "" | PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | REQUEUED | RESIZING) echo running ;;
  *) echo failed ;;
esac
