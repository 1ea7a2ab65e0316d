#!/bin/sh
# Traefik in a container: as traefik.yml says, but with its access log in a file, which the collector follows. Nobody
# else would keep that file short: past 16 MB it is moved away and Traefik begins a new one.
set -eu
log=/var/log/traefik/access.log
sed "s|filePath: \"\"|filePath: \"$log\"|" /etc/traefik/traefik.yml > /tmp/traefik.yml
while sleep 5; do
    if [ -f "$log" ] && [ "$(wc -c < "$log")" -gt 16777216 ]; then
        mv -f "$log" "$log.1" && kill -USR1 1
    fi
done &
exec traefik --configFile=/tmp/traefik.yml
