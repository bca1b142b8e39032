"""Products and enterprises as the API shows them."""

from matching.domain import Enterprise, Product


def ids(response):
    assert response.status_code == 200, response.text
    return [item["product_id"] for item in response.json()["items"]]


def test_products_of_the_day_come_in_pages(client):
    page = client.get("/v1/products?limit=2&offset=1").json()
    assert (page["total"], page["limit"], page["offset"]) == (6, 2, 1)  # P6 ended in 2024
    assert [item["product_id"] for item in page["items"]] == ["P1", "P2"]


def test_products_are_filtered_by_kind_institution_and_day(client):
    assert ids(client.get("/v1/products?kind=leasing")) == ["P4", "P5"]
    assert ids(client.get("/v1/products?institution_id=I1&kind=credit")) == ["P0", "P1", "P2", "P3"]
    assert ids(client.get("/v1/products?institution_id=I1&as_of=2023-06-30"))[-1] == "P6"
    assert ids(client.get("/v1/products?kind=bond")) == []
    assert ids(client.get("/v1/products?institution_id=nobody")) == []


def test_a_page_past_the_end_is_empty(client):
    assert ids(client.get("/v1/products?offset=100")) == []


def test_a_product_is_shown_whole(client):
    shown = client.get("/v1/products/P5").json()
    product = Product.model_validate(shown)
    assert (product.max_amount, product.institution_id) == (1, "I2")
    assert set(shown) == set(Product.model_fields)


def test_a_product_that_has_ended_is_still_shown(client):
    assert client.get("/v1/products/P6").json()["valid_to"] == "2024-01-01"


def test_an_enterprise_is_shown_with_its_latest_facts(client):
    shown = client.get("/v1/enterprises/E1").json()
    assert set(shown) == {*Enterprise.model_fields, "readiness"}
    assert (shown["as_of"], shown["revenue"], shown["profit"]) == ("2022-12-31", 30_000_000, None)


def test_chinese_names_arrive_as_they_are(client):
    response = client.get("/v1/products/P0")
    assert "流动资金贷款".encode() in response.content
