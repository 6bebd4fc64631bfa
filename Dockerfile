# Demo and REST on CPU: docker build -t shelfsure . && docker run -p 7860:7860 shelfsure
# PyPI's torch for Linux brings CUDA along, some 5 GB. For a CPU image of about 2 GB pass the index
# of CPU builds that PyTorch's install page names: --build-arg TORCH_INDEX=URL

FROM python:3.12-slim AS build
ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/shelfsure
ENV PATH=/opt/shelfsure/bin:$PATH
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY requirements/dev.txt requirements/
# torch first and the rest, extras and all, before the code: so a change of the code installs nothing
RUN pip install --constraint requirements/dev.txt ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch torchvision \
    && python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; e = p['optional-dependencies']; print(*p['dependencies'], *(d for name in e if name not in ('all', 'dev') for d in e[name]), sep='\n')" > needed.txt \
    && pip install --constraint requirements/dev.txt --requirement needed.txt
COPY src src
COPY configs configs
RUN pip install --constraint requirements/dev.txt --no-deps . \
    && python -m compileall -q /opt/shelfsure/lib/python3.12/site-packages/shelfsure

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --home-dir /data shelfsure \
    && install -d -o shelfsure -g shelfsure /data
COPY --from=build /opt/shelfsure /opt/shelfsure
# everything that is written lies in /data or /tmp, so the root may be mounted read-only
ENV PATH=/opt/shelfsure/bin:$PATH \
    HOME=/data \
    SHELFSURE_CACHE_DIR=/data/cache \
    SHELFSURE_REVIEWS=/data/reviews.sqlite \
    GRADIO_TEMP_DIR=/tmp/gradio \
    GRADIO_ANALYTICS_ENABLED=False \
    MPLCONFIGDIR=/tmp/matplotlib \
    MLFLOW_DISABLE_TELEMETRY=true \
    HF_HUB_OFFLINE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /data
VOLUME /data
USER 10001
EXPOSE 7860
# the first start embeds the sample catalogue
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
ENTRYPOINT ["shelfsure"]
CMD ["serve", "--host", "0.0.0.0", "--port", "7860"]
