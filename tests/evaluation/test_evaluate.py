from dataclasses import replace

from shelfsure.catalog.catalog import Catalog
from shelfsure.evaluation.evaluate import evaluate
from shelfsure.fusion.accept_rule import AcceptRule, Rules
from shelfsure.pipeline.pipeline import ListingPipeline


def test_evaluate_counts_what_predict_accepts(tiny_trained: ListingPipeline) -> None:
    """Own listings, some with another's photo, some unlike the catalogue, one that is broken."""
    assert tiny_trained.catalog is not None
    own = [x for x in tiny_trained.catalog.listings if x.category != "Garden > Hoses"]
    swapped = [
        replace(x, listing_id=f"swapped-{n}", image=own[n + 1].image)
        for n, x in enumerate(own[:12])
    ]
    strange = [
        replace(x, listing_id=f"strange-{n}", title="zzz qqq", description=None)
        for n, x in enumerate(own[12:24])
    ]
    broken = replace(own[0], listing_id="broken", image=b"no photo")
    # always sure, so that the mismatch and the out-of-catalogue detector decide
    sure = AcceptRule(0.4, 0.8, 0.8, 1.0, 1.0, 60)
    rules = Rules(dict.fromkeys(tiny_trained.rules.by_pattern, (sure, sure)))
    pipeline = replace(tiny_trained, rules=rules)
    catalog = Catalog.from_listings([*own, *swapped, *strange, broken], need_category=True)
    evaluation, used = evaluate(pipeline, catalog)
    decisions = [verdict.decision for verdict in pipeline.predict(used.listings)]
    assert len(used.listings) == len(catalog.listings) - 1
    assert evaluation.accepted.tolist() == [said == "accept" for said in decisions]
    assert {"accept", "review", "out_of_catalogue"} == set(decisions)
