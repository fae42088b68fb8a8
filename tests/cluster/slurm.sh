#!/usr/bin/env bash
# A SLURM of one node on this machine, for tests of the cluster path: eight CPUs and two GPUs are declared, whatever is here.
#     slurm.sh start DIR    all that it writes lies in DIR, but for its configuration in /etc/slurm
#     slurm.sh stop DIR     ends the daemons that `start` has started, and removes that configuration
# With accounting, as most sites have it, and a second partition `short` of five minutes.
# Needs root, and Debian's or Ubuntu's packages slurm-wlm, munge, slurmdbd and mariadb-server.
# Exits with 77, and says why, where it cannot run.
set -euo pipefail
PATH="$PATH:/usr/sbin"
dir="$(realpath -m "$2")"
host="$(hostname -s)"
etc=/etc/slurm # Snakemake's plugin hands no SLURM_CONF on to its jobs
files=(slurm.conf gres.conf cgroup.conf slurmdbd.conf)
export MYSQL_UNIX_PORT="$dir/db.socket" # where slurmdbd and mariadb look

cannot() {
  echo "no SLURM here: $1" >&2
  exit 77
}

write_configuration() {
  cat >"$etc/slurm.conf" <<END
ClusterName=one
SlurmctldHost=$host
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=$host
AccountingStoragePort=16819
AccountingStoragePass=$dir/munge.socket
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=5,batch_sched_delay=1
ReturnToService=2
MpiDefault=none
MinJobAge=300
KillWait=5
OverTimeLimit=0
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
GresTypes=gpu
NodeName=$host CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=2-00:00:00 DefaultTime=5 DefMemPerCPU=500 State=UP
PartitionName=short Nodes=$host MaxTime=5 DefMemPerCPU=500 State=UP
END
  cat >"$etc/slurmdbd.conf" <<END
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
DbdHost=$host
DbdPort=16819
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=x
StorageLoc=slurm
LogFile=$dir/slurmdbd.log
PidFile=$dir/slurmdbd.pid
END
  chmod 600 "$etc/slurmdbd.conf"
  echo "CgroupPlugin=disabled" >"$etc/cgroup.conf"
  # Devices by name alone: they can be asked for and counted, and nothing computes on them. SLURM refuses plain files.
  for number in 0 1; do
    [ -e "$dir/gpu$number" ] || mknod "$dir/gpu$number" c 1 3 || cannot "mknod is not allowed"
  done
  echo "NodeName=$host Name=gpu Count=2 File=$dir/gpu[0-1]" >"$etc/gres.conf"
}

start_database() {
  mariadb-install-db --no-defaults --user=root --datadir="$dir/db" --skip-test-db >"$dir/db.log" 2>&1 || cannot "see $dir/db.log"
  setsid mariadbd --no-defaults --user=root --datadir="$dir/db" --skip-networking --socket="$MYSQL_UNIX_PORT" \
    --pid-file="$dir/db.pid" >>"$dir/db.log" 2>&1 </dev/null &
  sql="create database slurm; create user slurm@localhost identified by 'x'; grant all on slurm.* to slurm@localhost"
  wait_for 'mariadb --no-defaults --execute="$sql"' || cannot "the database does not start: see $dir/db.log"
  slurmdbd || cannot "slurmdbd does not start: $(tail -n 1 "$dir/slurmdbd.log")"
  wait_for 'sacctmgr --immediate add cluster one' || cannot "slurmdbd does not answer: $(tail -n 1 "$dir/slurmdbd.log")"
  sacctmgr --immediate --quiet add account lab >/dev/null
  sacctmgr --immediate --quiet add user root account=lab >/dev/null
}

wait_for() {
  for _ in $(seq 30); do
    eval "$1" >/dev/null 2>&1 && return
    sleep 1
  done
  return 1
}

start() {
  [ "$(id -u)" = 0 ] || cannot "it needs root"
  for program in munged slurmctld slurmd sbatch srun slurmdbd mariadbd; do
    command -v "$program" >/dev/null || cannot "$program is missing: apt-get install slurm-wlm munge slurmdbd mariadb-server"
  done
  [ ! -e "$etc/slurm.conf" ] || cannot "$etc/slurm.conf is there already, of another SLURM"
  mkdir -p "$dir/state" "$dir/spool" "$etc"
  chmod 755 "$dir"
  write_configuration
  (umask 077 && head -c 1024 /dev/urandom >"$dir/munge.key")
  munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munge.pid" \
    --log-file="$dir/munge.log" --seed-file="$dir/munge.seed" || cannot "munged does not start"
  start_database
  slurmctld || cannot "slurmctld does not start: $(tail -n 1 "$dir/slurmctld.log")"
  slurmd -N "$host" || cannot "slurmd does not start: $(tail -n 1 "$dir/slurmd.log")"
  wait_for '[ "$(sinfo --noheader --partition=main --format=%t)" = idle ]' ||
    cannot "its node does not get ready: $(sinfo --noheader --format='%t %E')"
}

stop() {
  grep -qs "^StateSaveLocation=$dir/" "$etc/slurm.conf" || return 0 # not ours
  scancel --quiet --user=root 2>/dev/null || true
  for name in slurmd slurmctld slurmdbd munge db; do
    [ ! -f "$dir/$name.pid" ] || kill "$(cat "$dir/$name.pid")" 2>/dev/null || true
  done
  rm -f "${files[@]/#/$etc/}"
}

"$1"
