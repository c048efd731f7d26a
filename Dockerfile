# docker build -t bdgf .                                   without a GPU
# docker build -t bdgf --build-arg TORCH=cu126 .           with CUDA; run it with --gpus all
# docker run --rm -v "$PWD:/data" -u "$(id -u):$(id -g)" bdgf map s2.tif s1.tif -o landcover.tif --model model.safetensors
FROM python:3.12.8-slim-bookworm AS build
COPY . /source
RUN python -m venv /opt/bdgf \
    && /opt/bdgf/bin/pip install --no-cache-dir build==1.2.2 \
    && /opt/bdgf/bin/python -m build --wheel --outdir /wheel /source

FROM python:3.12.8-slim-bookworm
ARG TORCH=cpu
COPY --from=build /wheel /wheel
# libexpat1 is needed by the GDAL in the wheels of rasterio and pyogrio
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 \
    && rm -rf /var/lib/apt/lists/* \
    && python -m venv /opt/bdgf \
    && /opt/bdgf/bin/pip install --no-cache-dir "torch>=2.4,<2.14" --index-url "https://download.pytorch.org/whl/${TORCH}" \
    && /opt/bdgf/bin/pip install --no-cache-dir /wheel/*.whl \
    && rm -rf /wheel \
    && useradd --create-home bdgf
ENV PATH="/opt/bdgf/bin:${PATH}" NUMBA_CACHE_DIR=/tmp/numba BDGF_CACHE=/tmp/bdgf
USER bdgf
WORKDIR /data
ENTRYPOINT ["bdgf"]
CMD ["--help"]
