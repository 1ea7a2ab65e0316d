# The services' image:    docker build -t observability-lab:dev .      (several commands: python -m app --help)
# The load generator's:   docker build --target load -t observability-lab-load:dev .
# What it must not have: a compiler, a package manager, set-user-id programs, secrets. docs/decisions/0072 says why so.
ARG BASE=python:3.12-slim-bookworm

# Third-party packages, less what only a build, a type checker or their own tests read. Python finds their bytecode
# in the place of their sources; libonnxruntime.so is for C, the Python module has all of it inside.
FROM ${BASE} AS packages
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils tini
COPY requirements/app.txt /requirements.txt
RUN python -m venv --without-pip /opt/lab \
 && pip --python /opt/lab/bin/python install --no-cache-dir --no-compile \
      --require-hashes --only-binary :all: -r /requirements.txt \
 && cd /opt/lab/lib/python3*/site-packages \
 && rm -f onnxruntime/capi/libonnxruntime.so* \
 && find . -depth -type d -name tests -exec rm -r {} + \
 && find . -type f -regex '.*\.\(pyi\|pyx\|pxd\|h\|hpp\|c\|a\)' -delete \
 && find . -name '*.so' -not -path '*.libs/*' -exec strip --strip-unneeded {} + \
 && python -m compileall -q -b . \
 && find . -name '*.py' -delete

# Our own code, with its sources: a traceback shows their lines.
FROM ${BASE} AS code
WORKDIR /srv
COPY pyproject.toml .
COPY app app
COPY labkit/__init__.py labkit/
COPY labkit/alerts labkit/alerts
RUN python -m compileall -q app labkit \
 && version=$(python -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])') \
 && mkdir observability_lab.dist-info \
 && printf 'Metadata-Version: 2.1\nName: observability-lab\nVersion: %s\n' "$version" > observability_lab.dist-info/METADATA \
 && rm pyproject.toml

# The base without what a service never runs. The files of a package are removed, the list of packages stays: scanners
# read it.
FROM ${BASE} AS system
RUN groupadd --gid 10001 lab \
 && useradd --uid 10001 --gid lab --no-create-home --home-dir /tmp --shell /usr/sbin/nologin lab \
 && ldconfig \
 && pip uninstall --yes --quiet --root-user-action=ignore pip setuptools wheel \
 && rm -rf /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/idlelib /usr/local/include /root/.cache \
 && dpkg-query -W -f '${Package}\n' | grep -E '^(apt|libapt-pkg.*|dpkg|perl-base|gpgv|e2fsprogs|debconf)$' \
      | xargs dpkg -L | while read -r path; do [ -d "$path" ] || rm -f "$path"; done \
 && rm -rf /usr/share/doc /usr/share/man /usr/share/locale /usr/share/perl5 \
      /var/cache/* /var/lib/apt /var/lib/dpkg/info /var/log/* \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} +

# Users, journeys and profiles of Locust. Its size is no matter: it runs where load is made.
FROM ${BASE} AS load
COPY requirements/load.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --root-user-action=ignore --require-hashes --only-binary :all: -r /tmp/requirements.txt
WORKDIR /srv
COPY labkit labkit
COPY loadtests loadtests
ENV PYTHONPATH=/srv PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 10001:10001
EXPOSE 8089 5557
ENTRYPOINT ["locust", "-f", "loadtests"]

# In one layer: what was removed from the base is gone.
FROM scratch
COPY --from=system / /
COPY --from=packages /usr/bin/tini /usr/bin/tini
COPY --from=packages /opt/lab /opt/lab
COPY --from=code /srv /srv
WORKDIR /srv
ENV PATH=/opt/lab/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    LAB_API_HOST=0.0.0.0 \
    LAB_API_PORT=8000 \
    LAB_METRICS_HOST=0.0.0.0 \
    LAB_METRICS_PORT=9100 \
    LAB_GELF_HOST=0.0.0.0 \
    LAB_GELF_PORT=12201
USER 10001:10001
EXPOSE 8000 9100 9099 12201/udp 12201
ENTRYPOINT ["tini", "--", "python", "-m", "app"]
CMD ["api"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "app", "health"]
LABEL org.opencontainers.image.title="observability-lab" \
      org.opencontainers.image.description="A prediction service with everything that its operation shows" \
      org.opencontainers.image.licenses="MIT"
# The last layer: another release of the same code is built in a second.
ARG RELEASE=dev
ENV LAB_RELEASE=${RELEASE}
LABEL org.opencontainers.image.version=${RELEASE}
