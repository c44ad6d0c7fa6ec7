FROM python:3.12-slim
WORKDIR /app
COPY requirements/ requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/uv.txt \
    && uv pip install --system --no-cache --require-hashes -r requirements/all.txt
COPY . .
RUN uv pip install --system --no-cache --no-deps --editable . \
    && useradd --create-home spendstream && mkdir -p /var/lib/spendstream && chown spendstream /var/lib/spendstream
USER spendstream
ENTRYPOINT ["spendstream"]
