# Databricks notebook source
# MAGIC %md
# MAGIC # New listings on a cluster
# MAGIC
# MAGIC What belongs on the shelf, what a person should look at, and what is listed twice. Import
# MAGIC this file as a notebook on a cluster that has Shelfsure (docs/spark.md), name your places,
# MAGIC and run all cells. A killed run goes on where it was.

# COMMAND ----------

import os
from pathlib import Path

from shelfsure.spark.jobs import Job, duplicates_table, judge_table
from shelfsure.spark.rows import RowOptions
from shelfsure.spark.workers import WorkerOptions

SOURCE = os.environ.get("SHOP_LISTINGS", "/Volumes/main/shop/in/listings.parquet")
BUNDLE = Path(os.environ.get("SHOP_BUNDLE", "/Volumes/main/shop/models/monday"))
OUT = os.environ.get("SHOP_OUT", "/Volumes/main/shop/out")
PHOTOS = os.environ.get("SHOP_PHOTOS")  # folder of photos that are paths; else the table has bytes


def job(name: str) -> Job:
    rows, worker = RowOptions(image_root=PHOTOS), WorkerOptions()
    return Job(spark, SOURCE, f"{OUT}/{name}", rows, worker, n_parts=8, overwrite=True)


# COMMAND ----------

# MAGIC %md
# MAGIC ## Verdicts
# MAGIC One row a listing, rejected ones with the reason. If the table as a whole looks unlike what
# MAGIC was trained on, `shift` says so, and nothing is accepted.

# COMMAND ----------

judged = judge_table(job("verdicts"), BUNDLE, nested=True)
print(judged.counts, judged.shift)

# COMMAND ----------

verdicts = judged.verdicts
verdicts.where("decision = 'accept'").groupBy("category").count().orderBy("category").show(50)

# COMMAND ----------

# MAGIC %md
# MAGIC ## To look at first
# MAGIC The most doubtful, each with what it might be instead.

# COMMAND ----------

doubtful = verdicts.where("decision = 'review'").orderBy("probability")
doubtful.selectExpr(
    "listing_id", "title", "transform(top_k, x -> x.category) AS could_be", "reasons[0] AS why"
).show(20, truncate=60)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Listed twice
# MAGIC `recall` is the share of planted copies that the search found: look at it before the pairs.

# COMMAND ----------

found = duplicates_table(job("duplicates"), BUNDLE)
print(f"{len(found.groups)} groups; recall of planted copies {found.recall}")
spark.read.parquet(f"{OUT}/duplicates/groups").orderBy("group", "role").show(20)
