"""Publishing without a push: an asynchronous job that consumes the draft when it succeeds.

Source: documentation of the freepublish endpoints; publish_id is a JSON number as observed.
"""

from __future__ import annotations

from gateway.sandbox.wechat.articles import copied, shown
from gateway.sandbox.wechat.drafts import found
from gateway.sandbox.wechat.media import page_of
from gateway.sandbox.wechat.refusals import Refused
from gateway.sandbox.wechat.state import OK, Account, Asked, Job, Publication, number_id
from gateway.sandbox.wire import JSON, whole


def submit(asked: Asked) -> JSON:
    """freepublish/submit: accept a job for a draft; a draft that is in a job or was published answers 40007."""
    _may_publish(asked)
    draft = found(asked)
    if draft.in_job:
        raise Refused(40007)
    account = asked.account
    job = Job(
        publish_id=number_id(account.jobs), media_id=draft.media_id,
        articles=copied(draft.articles, account, asked.base_url), done_at=asked.now + account.publish_seconds,
        outcome=account.review_status, fail_idx=list(account.review_fail_idx),
    )  # fmt: skip
    draft.in_job = True
    account.jobs[job.publish_id] = job
    return OK | {"publish_id": job.publish_id}


def get(asked: Asked) -> JSON:
    """freepublish/get: where a job stands; the id is accepted as a number or as a string."""
    _may_publish(asked)
    wanted = whole(asked.body.get("publish_id"))
    job = None if wanted is None else asked.account.jobs.get(wanted)
    if job is None:
        raise Refused(40097)
    answer: JSON = {"publish_id": job.publish_id, "publish_status": _status(asked.account, job)}
    if answer["publish_status"] == 0:
        articles = asked.account.publications[job.article_id].articles
        items = [{"idx": index, "article_url": article.url} for index, article in enumerate(articles, 1)]
        answer |= {"article_id": job.article_id, "article_detail": {"count": len(items), "item": items}}
    return answer | {"fail_idx": job.fail_idx if job.status in {2, 3, 4} else []}


def delete(asked: Asked) -> JSON:
    """freepublish/delete: delete the article at `index` from 1; 0 or no index deletes ALL of them."""
    _may_publish(asked)
    publication = _publication(asked)
    index = whole(asked.body.get("index"), 0)
    if index is None or not 0 <= index <= len(publication.articles):
        raise Refused(40097)
    gone = publication.articles if index == 0 else [publication.articles[index - 1]]
    for article in gone:
        article.is_deleted = True
    publication.update_time = int(asked.now)
    return OK


def getarticle(asked: Asked) -> JSON:
    """freepublish/getarticle: the articles under an article id, deleted ones marked."""
    _may_publish(asked)
    return _content(_publication(asked), content=True)


def batchget(asked: Asked) -> JSON:
    """freepublish/batchget: what freepublish made public and is not all deleted, newest first; never mass-sent ones."""
    _may_publish(asked)
    offset, number = page_of(asked.body)
    content = asked.body.get("no_content", 0) != 1
    listed = [one for one in reversed(asked.account.publications.values()) if one.how != "mass" and not all_deleted(one)]
    items = [
        {"article_id": one.article_id, "content": _content(one, content=content), "update_time": one.update_time}
        for one in listed[offset : offset + number]
    ]
    return {"item": items, "total_count": len(listed), "item_count": len(items)}


def all_deleted(publication: Publication) -> bool:
    """Whether nothing of a publication can be read any more."""
    return all(article.is_deleted for article in publication.articles)


def _status(account: Account, job: Job) -> int:
    """The job's status, 5 once all its articles were deleted; 6 was set when the platform banned them."""
    if job.status == 0 and all_deleted(account.publications[job.article_id]):
        return 5
    return job.status


def _may_publish(asked: Asked) -> None:
    """Accounts that are not verified lost these endpoints in July 2025: 48001."""
    if not asked.account.verified:
        raise Refused(48001)


def _publication(asked: Asked) -> Publication:
    publication = asked.account.publications.get(str(asked.body.get("article_id") or ""))
    if publication is None:
        raise Refused(53600)
    return publication


def _content(publication: Publication, *, content: bool) -> JSON:
    articles = [shown(article, published=True, content=content) for article in publication.articles]
    return {"news_item": articles, "create_time": publication.create_time, "update_time": publication.update_time}
