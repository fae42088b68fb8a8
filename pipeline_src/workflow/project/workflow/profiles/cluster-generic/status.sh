#!/usr/bin/env bash
# Says success, running or failed of the SLURM job whose number it is given. A site without accounting has no `sacct`: there the
# controller is asked, which forgets a job some minutes after its end (MinJobAge). A job that nobody knows any more counts as failed:
# what it finished is not made again. No answer at all is no news.
state="$(sacct --allocations --noheader --parsable2 --format=State --jobs "$1" 2>/dev/null | head -n 1)"
if [ -z "$state" ]; then
  answer="$(scontrol --oneliner show job "$1" 2>&1)"
  case "$answer" in
    *"Invalid job id"*) state=FORGOTTEN ;;
    *) state="$(printf '%s\n' "$answer" | sed -n 's/.* JobState=\([A-Z_]*\).*/\1/p')" ;;
  esac
fi
case "$state" in
  COMPLETED) echo success ;;
  "" | PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | STOPPED | SIGNALING | STAGE_OUT | RESIZING) echo running ;;
  REQUEUE*) echo running ;;
  *) echo failed ;;
esac
