#!/bin/bash
# Slurm on this machine alone, for a test: its own configuration, state and key in a folder, nothing of the system's.
#
#     tests/soak/one_node_slurm.sh start FOLDER    # then: export SLURM_CONF=FOLDER/slurm.conf
#     tests/soak/one_node_slurm.sh stop FOLDER
#
# Needs Debian's slurm-wlm and munge, and root, as which slurmd runs jobs.
set -euo pipefail
action=$1 folder=$(realpath -m "$2") node=$(hostname -s)
export SLURM_CONF="$folder/slurm.conf"
if [ "$action" = stop ]; then
    for name in slurmctld slurmd munged; do
        [ -f "$folder/$name.pid" ] && kill "$(cat "$folder/$name.pid")" || true
    done
    exit 0
fi
mkdir -p "$folder/state" "$folder/spool" && chmod 755 "$folder"
head -c 1024 /dev/urandom > "$folder/munge.key" && chmod 400 "$folder/munge.key"
munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
cat > "$SLURM_CONF" <<END
ClusterName=one
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmctldPort=26817
SlurmdPort=26818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$folder/jobs.log
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/MemTotal/ {print int($2 / 1100)}' /proc/meminfo)
PartitionName=all Nodes=$node Default=YES MaxTime=INFINITE State=UP
END
slurmctld
slurmd
for _ in $(seq 30); do
    sinfo --noheader --format=%t 2>/dev/null | grep --quiet --word-regexp idle && exit 0
    sleep 1
done
tail -5 "$folder"/*.log >&2
exit 1
