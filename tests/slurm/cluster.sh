#!/usr/bin/env bash
# A throw-away SLURM cluster on this host, to test against. Debian 12, as root; no systemd needed.
#
#   cluster.sh start    install SLURM if need be, and start it: node cpu1 in the partition "cpu",
#                       node gpu1 with two made-up GPUs in the partition "gpu"
#   cluster.sh stop     cancel all jobs, end what was started and remove its files
set -euo pipefail

readonly STATE=/var/spool/latentdims-slurm CONFIG=/etc/slurm
readonly MARK="# latentdims test cluster"

fail() {
    echo "cluster.sh: $*" >&2
    exit 1
}

ours() {
    [ ! -e "$CONFIG/slurm.conf" ] || grep --quiet "^$MARK" "$CONFIG/slurm.conf"
}

install() {
    local packages=(slurmctld slurmd slurm-client munge)
    if ! dpkg --status "${packages[@]}" &>/dev/null; then
        apt-get -qq update
        DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends \
            "${packages[@]}" >/dev/null
    fi
}

configure() {
    mkdir -p "$CONFIG" "$STATE"/{controller,cpu1,gpu1,devices}
    # SLURM shows a job the numbers of its GPUs only where they are character devices.
    mknod "$STATE/devices/gpu0" c 1 3
    mknod "$STATE/devices/gpu1" c 1 3
    cat >"$CONFIG/gres.conf" <<END
$MARK
NodeName=gpu1 Name=gpu Type=made-up File=$STATE/devices/gpu[0-1]
END
    cat >"$CONFIG/slurm.conf" <<END
$MARK
ClusterName=latentdims
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=17817
SlurmUser=root
AuthInfo=socket=$STATE/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$STATE/controller
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmctldLogFile=$STATE/slurmctld.log
SlurmdSpoolDir=$STATE/%n
SlurmdPidFile=$STATE/%n.pid
SlurmdLogFile=$STATE/%n.log
SlurmdParameters=config_overrides
MailProg=/bin/true
# Memory is watched every two seconds, and a job beyond its own is killed: this needs no cgroups.
ProctrackType=proctrack/linuxproc
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=UsePss,OverMemoryKill
KillWait=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
# There is no database: squeue tells of finished jobs for an hour.
MinJobAge=3600
NodeName=DEFAULT CPUs=4 RealMemory=64000
NodeName=cpu1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=17818
NodeName=gpu1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=17819 Gres=gpu:made-up:2
PartitionName=cpu Nodes=cpu1 Default=YES
PartitionName=gpu Nodes=gpu1
END
}

start() {
    [ "$(id -u)" = 0 ] || fail "must run as root, since it installs packages and starts daemons"
    ours || fail "$CONFIG/slurm.conf belongs to another cluster; run this on another machine"
    install
    stop
    configure
    # A munged with a key and a socket of its own leaves that of the system alone.
    (umask 077 && head --bytes 128 /dev/urandom >"$STATE/munge.key")
    munged --key-file="$STATE/munge.key" --socket="$STATE/munge.socket" \
        --seed-file="$STATE/munge.seed" --pid-file="$STATE/munged.pid" --log-file="$STATE/munged.log"
    slurmctld
    slurmd -N cpu1
    slurmd -N gpu1
    for _ in {1..150}; do
        if [ "$(sinfo --noheader --Node --format %T 2>/dev/null | xargs)" = "idle idle" ]; then
            sinfo
            return
        fi
        sleep 0.2
    done
    fail "the nodes do not come up: $(grep --no-filename -E 'error|fatal' "$STATE"/*.log | tail -n 5)"
}

ends() {
    for _ in {1..50}; do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.2
    done
    kill -KILL "$1" 2>/dev/null || true
}

stop() {
    ours || fail "$CONFIG/slurm.conf belongs to another cluster"
    if scontrol ping &>/dev/null; then
        squeue --noheader --format %A | xargs --no-run-if-empty scancel || true
        for _ in {1..50}; do
            [ -n "$(squeue --noheader)" ] || break
            sleep 0.2
        done
    fi
    for daemon in cpu1 gpu1 slurmctld munged; do
        [ -e "$STATE/$daemon.pid" ] || continue
        read -r pid <"$STATE/$daemon.pid"
        # The number may be another process's by now.
        if grep --quiet --extended-regexp '^(slurmd|slurmctld|munged)$' "/proc/$pid/comm" 2>/dev/null; then
            kill "$pid"
            ends "$pid"
        fi
    done
    rm -rf "$STATE"
    rm -f "$CONFIG/slurm.conf" "$CONFIG/gres.conf"
}

case "${1-}" in
start | stop) "$1" ;;
*) fail "give start or stop" ;;
esac
